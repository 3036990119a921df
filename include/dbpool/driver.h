/* SPDX-License-Identifier: MIT
 *
 * How dbpool speaks with a database: a table of functions. Write one to pool anything that can be opened and closed.
 *
 * What every function may count on: a native handle is given to one call at a time, while several threads may be inside the table with
 * other handles; no lock of the pool is held; `driver_arg` is what configure made, or what dbpool_open_driver was given, or NULL under
 * dbpool_open_creator. What every function must keep: it returns by `deadline_ns` (on dbpool_now_ns's clock; INT64_MAX is none) or says in
 * its documentation that it cannot; when it fails it fills `err` with the status that it returns (dbpool_error_set; `err` may be NULL in
 * configure and describe); it prints nothing, never exits, raises no signal, and puts no secret into an error.
 */
#ifndef DBPOOL_DRIVER_H
#define DBPOOL_DRIVER_H

#include <dbpool/dbpool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What can be said of a native handle without asking the server. */
typedef enum dbpool_native_state {
    DBPOOL_NATIVE_CLEAN = 0,   /* quiet and in no transaction: it can be lent as it is */
    DBPOOL_NATIVE_DIRTY = 1,   /* quiet, but inside a transaction: a reset is needed */
    DBPOOL_NATIVE_UNCLEAN = 2, /* not provably quiet, or dead: it must be closed */
} dbpool_native_state;

/* One connect argument. Those of a URL's parts have the keys "user", "password", "host", "port" and "path" (the part after host and port,
 * with its slash); those of its query follow in their order. */
typedef struct dbpool_param {
    const char *key;
    const char *value;
} dbpool_param;

#define DBPOOL_DRIVER_OPENS_FAST 1u   /* open is as cheap as a thread hand-over: it always runs on the caller's thread */
#define DBPOOL_DRIVER_RESETS_FULLY 2u /* reset knows DBPOOL_RESET_FULL */
#define DBPOOL_DRIVER_ASYNCHRONOUS 4u /* its connections belong to an event loop */

struct dbpool_driver {
    size_t struct_size;  /* sizeof(dbpool_driver): tables of older programs stay valid */
    const char *name;    /* "postgresql" */
    const char *schemes; /* "postgresql,postgres": the URL schemes it answers to */
    uint32_t flags;      /* DBPOOL_DRIVER_… */

    /* Checks the connect arguments and makes what all connections of one pool share; `params` are gone afterwards. An argument that it does
     * not know is EOPTION with the key's name. Required to be registered. */
    dbpool_status (*configure)(const dbpool_param *params, size_t count, void **driver_arg_out, dbpool_error *err);

    /* Frees what configure made, when the last pool that uses it is gone. Optional. */
    void (*release)(void *driver_arg);

    /* Opens one connection. Required, but under dbpool_open_creator. */
    dbpool_status (*open)(void *driver_arg, int64_t deadline_ns, void **native_out, dbpool_error *err);

    /* Closes one, whatever its state. A failure is logged and swallowed; the handle is gone. Required. Must not wait for a server that does
     * not answer. */
    dbpool_status (*close)(void *driver_arg, void *native, dbpool_error *err);

    /* The look before a lend: no round trip, no waiting. Drains what may come unasked; false when the connection is dead or not quiet.
     * Optional. */
    bool (*look)(void *driver_arg, void *native);

    /* The look at a checkin: library-side state only, no system call. Optional: without it the connection is taken to be DIRTY at each
     * return, and to be clean when `reset` has succeeded, or is missing, or is not asked for. */
    dbpool_native_state (*state)(void *driver_arg, void *native);

    /* One round trip to see whether it lives. EDISCONNECT when it does not (with DBPOOL_ERROR_POOL_STALE when all older ones must be dead
     * too); another failure ends the checkout. Optional: `pre_ping` needs it. */
    dbpool_status (*ping)(void *driver_arg, void *native, int64_t deadline_ns, dbpool_error *err);

    /* Rolls back, commits, or resets fully (a dbpool_reset, never NONE). OK means that the connection is clean (`state` is asked again);
     * else it is closed. It need not look at `state` first. Optional. */
    dbpool_status (*reset)(void *driver_arg, void *native, int32_t reset, int64_t deadline_ns, dbpool_error *err);

    /* In a forked child: gives up an inherited handle with close(2) alone, no goodbye, leaking what must be. Optional: without it the
     * handle is left as it is. */
    void (*abandon)(void *driver_arg, void *native);

    /* Reports facts by `row`. Keys with a fixed meaning: "server" (name and version), "user", "database", "encryption" ("none" or protocol
     * and cipher), "role" ("primary", "standby", "read-only"), "max_connections", "reserved_connections", "used_connections" (numbers),
     * "idle_timeout_ms", "transaction_idle_timeout_ms", "statement_timeout_ms" (0: none). Others are shown as they are. Optional. */
    dbpool_status (*describe)(void *driver_arg, void *native, int64_t deadline_ns,
                              void (*row)(void *arg, const char *key, const char *value), void *arg, dbpool_error *err);
};

/* Makes a driver known by its schemes, before those that are loaded from shared libraries; for static linking and for drivers of one's own.
 * The table must live as long as the process; open, close, configure, name and schemes are required. Registering the same table again does
 * nothing.
 * Errors: EINVAL (a required function is missing), EBUSY (a scheme is taken), ENOMEM.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_register_driver(const dbpool_driver *driver, dbpool_error *err);

#ifdef __cplusplus
}
#endif

#endif
