/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *dbpool_status_name(dbpool_status status) {
    switch (status) {
#define NAME(number, name, meaning) \
    case DBPOOL_##name: return "DBPOOL_" #name;
        DBPOOL_STATUSES(NAME)
#undef NAME
    }
    return "DBPOOL_E?";
}

const char *dbpool_status_meaning(dbpool_status status) {
    switch (status) {
#define MEANING(number, name, meaning) \
    case DBPOOL_##name: return meaning;
        DBPOOL_STATUSES(MEANING)
#undef MEANING
    }
    return "unknown status";
}

__attribute__((format(printf, 5, 0))) static void fill(dbpool_error *err, dbpool_status status, uint32_t flags, int32_t native_code,
                                                       const char *format, va_list args) {
    if (!err)
        return;
    /* The arguments may point into `err` itself: format before anything is cleared. */
    char message[sizeof err->message];
    vsnprintf(message, sizeof message, format, args);
    memset(err, 0, sizeof *err);
    err->status = status;
    err->flags = flags;
    err->native_code = native_code;
    memcpy(err->message, message, sizeof message);
}

dbpool_status dbp_error_set(dbpool_error *err, dbpool_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, 0, 0, format, args);
    va_end(args);
    return status;
}

dbpool_status dbp_error_set_native(dbpool_error *err, dbpool_status status, uint32_t flags, int32_t native_code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, flags, native_code, format, args);
    va_end(args);
    return status;
}

dbpool_status dbp_error_pass(dbpool_error *err, const dbpool_error *cause) {
    if (err && err != cause)
        *err = *cause;
    return cause->status;
}

dbpool_status dbp_error_ensure(dbpool_error *err, dbpool_status status, const char *action) {
    if (status != DBPOOL_OK && err->status != status)
        dbp_error_set(err, status, "%s: %s", action, dbpool_status_meaning(status));
    return status;
}

dbpool_status dbp_error_nomem(dbpool_error *err, const char *action) {
    return dbp_error_set(err, DBPOOL_ENOMEM, "%s: out of memory", action);
}
