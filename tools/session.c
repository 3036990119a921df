/* SPDX-License-Identifier: MIT */
#include "session.h"

static const session_driver *const drivers[] = {
#if TOOL_SQLITE
    &session_sqlite,
#endif
#if TOOL_POSTGRESQL
    &session_postgresql,
#endif
    NULL,
};

const session_driver *session_of(dbpool_conn conn, void **native_out) {
    for (const session_driver *const *driver = drivers; *driver; driver++) {
        *native_out = dbpool_native_of(conn, (*driver)->name);
        if (*native_out)
            return *driver;
    }
    return NULL;
}
