/* SPDX-License-Identifier: MIT
 *
 * Filling a dbpool_error.
 */
#ifndef DBP_BASE_ERROR_H
#define DBP_BASE_ERROR_H

#include <dbpool/dbpool.h>

/* As dbpool_error_set, for drivers and the core alike. */
dbpool_status dbp_error_set(dbpool_error *err, dbpool_status status, const char *format, ...) DBPOOL_PRINTF(3, 4);

/* The same with flags and the system's or vendor's own number. */
dbpool_status dbp_error_set_native(dbpool_error *err, dbpool_status status, uint32_t flags, int32_t native_code, const char *format, ...)
    DBPOOL_PRINTF(5, 6);

/* Copies a failure that happened below to where the caller wants it, which may be nowhere. Returns its status. */
dbpool_status dbp_error_pass(dbpool_error *err, const dbpool_error *cause);

/* Makes sure that a failure reported by somebody else's function has a message: one that did not fill `err` gets "action: meaning". Returns `status`. */
dbpool_status dbp_error_ensure(dbpool_error *err, dbpool_status status, const char *action);

/* Out of memory while doing `action`. */
dbpool_status dbp_error_nomem(dbpool_error *err, const char *action);

#endif
