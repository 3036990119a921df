/* SPDX-License-Identifier: MIT
 *
 * What users attach to a connection or record: named pointers, functions for the next checkin, a tag. Made when first needed.
 */
#ifndef DBP_CORE_INFO_H
#define DBP_CORE_INFO_H

#include <dbpool/dbpool.h>

typedef struct dbp_info dbp_info;           /* a list of named pointers; NULL is the empty one */
typedef struct dbp_finalizer dbp_finalizer; /* a stack of functions; NULL is the empty one */

/* Of one record or one detached connection; the owner's alone, but for the tag. */
typedef struct dbp_extras {
    dbp_info *info[2]; /* by dbpool_scope */
    dbp_finalizer *finalizers;
    char tag[sizeof((dbpool_lease *)0)->tag]; /* guarded by the pool's mutex */
} dbp_extras;

dbpool_status dbp_info_set(dbp_info **info, const char *key, void *value, void (*free_value)(void *));
void *dbp_info_get(const dbp_info *info, const char *key);
void dbp_info_clear(dbp_info **info);

dbpool_status dbp_finalizer_push(dbp_finalizer **stack, void (*fn)(void *native, void *arg), void *arg);
void dbp_finalizer_run(dbp_finalizer **stack, void *native);
void dbp_finalizer_drop(dbp_finalizer **stack);

/* Frees everything in it; `extras` may be NULL. */
void dbp_extras_free(dbp_extras *extras);

#endif
