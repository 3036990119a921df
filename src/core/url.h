/* SPDX-License-Identifier: MIT
 *
 * The target of a pool: a scheme, and the connect arguments for its driver, from a URL or from keywords and values. Keys that begin with
 * "pool_" are options and go to the configuration. A target holds secrets: its memory is overwritten before it is freed, and no error shows
 * a byte of a URL except the key and value of an option. No lock: a target belongs to its pool. Nothing here blocks.
 *
 *     scheme ":" [ "//" [ user [ ":" password ] "@" ] host [ ":" port ] *( "," host [ ":" port ] ) ] path
 *            [ "?" [ key "=" value *( "&" key "=" value ) ] ]
 *
 * docs/urls.md tells users what each part may hold.
 */
#ifndef DBP_CORE_URL_H
#define DBP_CORE_URL_H

#include <dbpool/driver.h>

/* The longest URL, and the most that keywords and values may hold together. */
#define DBP_URL_LENGTH_MAX 65536

typedef struct dbp_target {
    char *scheme;         /* in small letters */
    dbpool_param *params; /* as driver.h tells: user, password, host, port, path, then the rest in its order */
    size_t count;
    char *text; /* what all of them point into */
    size_t text_size;
} dbp_target;

/* Fills `out`, to be ended with dbp_target_fini. A TEXT option of `config` points into the target and lives as long. After a failure `out`
 * is empty and `config` is as it was. Errors: EOPTION ("parse URL: at byte 17: …", counted from 0; or that of dbp_options_set), EINVAL
 * (a NULL URL), ENOMEM. */
dbpool_status dbp_target_from_url(const char *url, dbp_target *out, dbpool_config *config, dbpool_error *err);

/* The same from parallel arrays that end with a NULL keyword; NULL arrays are empty. A NULL value says that its keyword is not given.
 * Nothing is unescaped. Errors name a keyword by its index. */
dbpool_status dbp_target_from_arrays(const char *scheme, const char *const *keywords, const char *const *values, dbp_target *out,
                                     dbpool_config *config, dbpool_error *err);

/* Overwrites and frees. Does nothing to one that is empty or zeroed, and leaves it empty. */
void dbp_target_fini(dbp_target *target);

#endif
