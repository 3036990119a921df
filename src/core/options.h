/* SPDX-License-Identifier: MIT
 *
 * The options of a pool: taking over the caller's dbpool_config, setting one from a URL's key, and checking all of them. Everything is made
 * from the one table DBPOOL_OPTIONS. Nothing here allocates or blocks, and no lock is needed: a configuration belongs to its caller.
 */
#ifndef DBP_CORE_OPTIONS_H
#define DBP_CORE_OPTIONS_H

#include <dbpool/dbpool.h>

/* What the keys of all options begin with; every other key of a URL is the driver's. */
#define DBP_OPTIONS_PREFIX "pool_"

/* Copies what the caller gave, which may be NULL or come from a program built for an older or newer dbpool, into a whole dbpool_config:
 * what is not given has its default. Texts and listeners are still the caller's. EOPTION when struct_size is none, or a field that this
 * library does not know is set. */
dbpool_status dbp_options_adopt(const dbpool_config *given, dbpool_config *out, dbpool_error *err);

/* Sets the option of this URL key, if the value is in its range. A TEXT option keeps pointing at `value`. EOPTION otherwise, and then
 * nothing has changed. The error shows key and value, escaped and cut: options hold no secrets. */
dbpool_status dbp_options_set(dbpool_config *config, const char *key, const char *value, dbpool_error *err);

/* Whether every field is in its range, wherever it came from, and no two contradict each other. A field out of its range is named as the
 * struct has it; a contradiction by the keys of a URL. EOPTION, or EINVAL for listeners that are none. */
dbpool_status dbp_options_check(const dbpool_config *config, dbpool_error *err);

#endif
