/* SPDX-License-Identifier: MIT
 *
 * dbpool lends live, clean database connections to many threads, and takes them back.
 *
 *     dbpool *pool = NULL;
 *     dbpool_error err;
 *     if (dbpool_open("sqlite:/var/lib/app/shop.db?pool_size=4", NULL, &pool, &err) != DBPOOL_OK)
 *         die(err.message);
 *
 *     dbpool_conn conn;
 *     if (dbpool_checkout(pool, &conn, &err) == DBPOOL_OK) {
 *         sqlite3_exec(dbpool_sqlite(conn), "insert into hits default values", NULL, NULL, NULL);
 *         dbpool_checkin(&conn);
 *     }
 *     dbpool_close(pool, 5000, &err);
 *     dbpool_destroy(pool);
 *
 * Conventions
 *   Words        A *pool* holds records. A *record* is a place for one driver connection, which may be replaced inside it. A *lease* is a
 *                record checked out to a caller, who holds a *handle* to it, dbpool_conn. The *native* handle is the driver's own
 *                (PGconn, sqlite3, …).
 *   Errors       Fallible functions return a dbpool_status. The last parameter takes the detail; it may be NULL, belongs to the caller and
 *                is written on failure only. After a failure nothing has changed, unless the function says otherwise. Any function
 *                answers EINVAL to an argument that it cannot take (NULL where that is not allowed, a timeout below -1) and EFORK in a
 *                forked child; the lists of errors below do not repeat that.
 *   Times        are in the unit that ends the name (_ms, _ns), on a clock that never jumps. A timeout of -1 is none, 0 does not wait.
 *   Threads      Every function may be called from any thread, on the same pool at once. One *handle* is used by one thread at a time; it
 *                may move to another thread, and be returned there. Holders of nested handles to one lease take turns in using its
 *                connection and what is attached to it. No function may be called from a signal handler.
 *   Callbacks    run with no lock of the library held, on the thread that caused them or, for an opening, on a thread of the library.
 *                Those that a function may run are those it names; an opening also runs the creator, and whatever drops a connection's
 *                info runs free_value. Listeners, creators and finalizers may call back into the pool. Inside a *listener* a checkout of
 *                the same pool takes or opens what is free but never waits (DBPOOL_EDEADLK); in the others a wait for what the caller
 *                itself holds ends with its timeout only.
 *   Strings      given to the library are copied; strings given by it live as long as the object they came from.
 *   fork         A pool and its leases belong to the process that made them: in a child every use is refused with DBPOOL_EFORK; what is
 *                asked of a handle is answered with NULL or false, and dbpool_destroy does nothing.
 *
 * Every function states below its effect and four facts: Thread (from where it may be called), Blocks (what it may wait for), Round-trips
 * (to the server) and Callbacks (of the user's that it may run).
 */
#ifndef DBPOOL_H
#define DBPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbpool/options.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DBPOOL_VERSION_MAJOR 0
#define DBPOOL_VERSION_MINOR 1
#define DBPOOL_VERSION_PATCH 0

#if defined(__GNUC__)
#define DBPOOL_API __attribute__((visibility("default")))
#define DBPOOL_MUST_CHECK __attribute__((warn_unused_result))
#define DBPOOL_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define DBPOOL_API
#define DBPOOL_MUST_CHECK
#define DBPOOL_PRINTF(format_at, args_at)
#endif

/* ---- Status and errors ------------------------------------------------------------------------------------------------------- */

/* X(number, name, meaning). The numbers never change. ECANCELED and ELISTENER come from creators, drivers and listeners only, whose status
 * reaches the caller unchanged. */
#define DBPOOL_STATUSES(X)                                                        \
    X(0, OK, "success")                                                           \
    X(1, EINVAL, "an argument is not valid")                                      \
    X(2, EOPTION, "an option or a URL is not valid")                              \
    X(3, ENOMEM, "out of memory")                                                 \
    X(4, ETIMEOUT, "the time ran out")                                            \
    X(5, ECLOSED, "the pool is closed")                                           \
    X(6, ESTALE, "the handle's lease has ended")                                  \
    X(7, EDEADLK, "the call would wait for itself")                               \
    X(8, EBUSY, "in use")                                                         \
    X(9, ELIMIT, "a fixed limit is reached")                                      \
    X(10, ECONNECT, "a connection could not be opened")                           \
    X(11, EDISCONNECT, "the connection is closed or lost")                        \
    X(12, EDRIVER, "the database refused or failed")                              \
    X(13, EUNSUPPORTED, "not supported by this driver or system")                 \
    X(14, EFORK, "not usable in a process forked after the pool was opened")      \
    X(15, ECANCELED, "canceled")                                                  \
    X(16, EBUG, "the pool found itself in an impossible state and lends no more") \
    X(17, ELISTENER, "a listener failed")

typedef enum dbpool_status {
#define DBPOOL_STATUS_ENUM(number, name, meaning) DBPOOL_##name = number,
    DBPOOL_STATUSES(DBPOOL_STATUS_ENUM)
#undef DBPOOL_STATUS_ENUM
} dbpool_status;

/* Flags of an error. */
#define DBPOOL_ERROR_RETRYABLE 1u       /* the same call may succeed later without any change */
#define DBPOOL_ERROR_CONNECTION_LOST 2u /* the connection it happened on is dead */
#define DBPOOL_ERROR_POOL_STALE 4u      /* every connection opened before now is to be replaced */
#define DBPOOL_ERROR_TIMED_OUT 8u       /* a deadline passed, whatever the status is */

/* The detail of a failure, in the caller's memory. `message` reads "action: cause" and never holds a password or a connect string. */
typedef struct dbpool_error {
    dbpool_status status;
    int32_t native_code; /* the driver's or system's own number, or 0 */
    uint32_t flags;      /* DBPOOL_ERROR_… */
    char sqlstate[6];    /* five characters, or empty */
    char message[302];
} dbpool_error;

/* The name of a status ("DBPOOL_ETIMEOUT"), or "DBPOOL_E?" for a number that is none.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API const char *dbpool_status_name(dbpool_status status);

/* What a status means, in a few words.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API const char *dbpool_status_meaning(dbpool_status status);

/* Fills `err` (which may be NULL): the status and a message in the manner of printf, cut to fit; everything else is cleared. Returns
 * `status`. For drivers, creators and listeners.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_error_set(dbpool_error *err, dbpool_status status, const char *format, ...) DBPOOL_PRINTF(3, 4);

/* The version of the library that runs, "0.1.0"; DBPOOL_VERSION_… is that of the header.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API const char *dbpool_version(void);

/* ---- Handles ----------------------------------------------------------------------------------------------------------------- */

typedef struct dbpool dbpool;
typedef struct dbpool_record dbpool_record;
typedef struct dbpool_driver dbpool_driver; /* see driver.h */

/* A handle to a lease: a plain value, nothing to free. A copy is the same handle. When the lease has ended every copy is stale, for good: a
 * function given one answers DBPOOL_ESTALE and touches nothing, even when the record serves somebody else or the pool is gone. The *native*
 * handle cannot be guarded like that: it must not be used after the lease has ended. All zero is the empty handle. */
typedef struct dbpool_conn {
    struct dbpool_cell *cell;
    uint64_t number;
} dbpool_conn;

#if defined(__cplusplus)
#define DBPOOL_CONN_NONE (dbpool_conn{})
#else
#define DBPOOL_CONN_NONE ((dbpool_conn){NULL, 0})
#endif

/* ---- Events ------------------------------------------------------------------------------------------------------------------ */

/* X(name, text). In the order in which a connection meets them. */
#define DBPOOL_EVENTS(X)                                                                                                          \
    X(FIRST_CONNECT, "first_connect")     /* once in the pool's life, before CONNECT, at the first opening that has a listener */ \
    X(CONNECT, "connect")                 /* after every opening; failing, it makes the opening fail */                           \
    X(CHECKOUT, "checkout")               /* at every checkout, after the ping */                                                 \
    X(RESET, "reset")                     /* at a return, before the rollback or commit if one is needed */                       \
    X(CHECKIN, "checkin")                 /* before the record goes back; native is NULL when it has no connection */             \
    X(INVALIDATE, "invalidate")           /* before an invalidated connection is closed */                                        \
    X(SOFT_INVALIDATE, "soft_invalidate") /* at a soft invalidation */                                                            \
    X(DETACH, "detach")                   /* after a detach */                                                                    \
    X(CLOSE, "close")                     /* before a pooled connection is closed */                                              \
    X(CLOSE_DETACHED, "close_detached")   /* before a detached connection is closed */

typedef enum dbpool_event_kind {
#define DBPOOL_EVENT_ENUM(name, text) DBPOOL_ON_##name,
    DBPOOL_EVENTS(DBPOOL_EVENT_ENUM)
#undef DBPOOL_EVENT_ENUM
        DBPOOL_EVENT_COUNT
} dbpool_event_kind;

/* What a listener is given. It is valid during the call only. */
typedef struct dbpool_event {
    dbpool_event_kind kind;
    dbpool *pool;
    void *native;               /* the driver connection, or NULL when there is none */
    dbpool_record *record;      /* NULL on RESET and CLOSE_DETACHED of a detached connection */
    dbpool_conn conn;           /* the lease, on CHECKOUT and RESET; else empty. For reading; it cannot be returned from here */
    const dbpool_error *reason; /* on INVALIDATE and SOFT_INVALIDATE, if one was given; else NULL */
    int32_t reset;              /* on RESET: a dbpool_reset, what a connection that needs it goes through */
} dbpool_event;

/* A listener; `err` is never NULL. On CONNECT and FIRST_CONNECT a failure makes the opening fail. On CHECKOUT, DBPOOL_EDISCONNECT says that
 * the connection is dead: it is replaced and the checkout tries once more (every older connection of the pool is condemned too if
 * err->flags has DBPOOL_ERROR_POOL_STALE); any other failure fails the checkout. On RESET a failure is logged and closes the connection;
 * the return succeeds all the same. On these four a failure keeps the listeners behind it from being called. On all other events a failure
 * is logged and nothing else. */
typedef dbpool_status (*dbpool_listener_fn)(const dbpool_event *event, void *arg, dbpool_error *err);

typedef struct dbpool_listener {
    dbpool_event_kind kind;
    dbpool_listener_fn fn;
    void *arg;
} dbpool_listener;

/* ---- Logging ----------------------------------------------------------------------------------------------------------------- */

typedef enum dbpool_log_level {
    DBPOOL_LOG_OFF = 0,
    DBPOOL_LOG_ERROR = 1,
    DBPOOL_LOG_WARNING = 2,
    DBPOOL_LOG_INFO = 3,
    DBPOOL_LOG_DEBUG = 4
} dbpool_log_level;

/* A log sink: one line without its end, control characters escaped, never a secret, cut at 1023 bytes. It may be called by several threads
 * at once, and until the pool's memory goes (see dbpool_destroy). */
typedef void (*dbpool_log_fn)(void *arg, dbpool_log_level level, const char *pool_name, const char *line);

/* ---- Configuration ----------------------------------------------------------------------------------------------------------- */

typedef enum dbpool_reset {
    DBPOOL_RESET_NONE = 0,     /* nothing is sent; what is not quiet is closed */
    DBPOOL_RESET_ROLLBACK = 1, /* an open transaction is rolled back */
    DBPOOL_RESET_COMMIT = 2,   /* an open transaction is committed */
    DBPOOL_RESET_FULL = 3      /* and the session forgets its settings, temporary objects, locks, statements */
} dbpool_reset;

typedef enum dbpool_idle_order { DBPOOL_IDLE_WARM = 0, DBPOOL_IDLE_LIFO = 1, DBPOOL_IDLE_FIFO = 2 } dbpool_idle_order;

typedef enum dbpool_echo { DBPOOL_ECHO_UNSET = -1, DBPOOL_ECHO_OFF = 0, DBPOOL_ECHO_INFO = 1, DBPOOL_ECHO_DEBUG = 2 } dbpool_echo;

/* How a pool is set up: one field for each row of DBPOOL_OPTIONS, and what no URL can say. Start from DBPOOL_CONFIG_INIT. Options that
 * stand in the URL as well take their value from the URL. */
typedef struct dbpool_config {
    size_t struct_size;
    const dbpool_listener *listeners; /* in force before the first connection is opened; copied */
    size_t listener_count;
    dbpool_log_fn log; /* NULL: the process-wide sink. The level is `echo`'s or, unset, the process-wide one, which is OFF at first */
    void *log_arg;
#define DBPOOL_FIELD_INT int32_t
#define DBPOOL_FIELD_BOOL int32_t
#define DBPOOL_FIELD_RESET int32_t
#define DBPOOL_FIELD_ORDER int32_t
#define DBPOOL_FIELD_ECHO int32_t
#define DBPOOL_FIELD_MS int64_t
#define DBPOOL_FIELD_NS int64_t
#define DBPOOL_FIELD_TEXT const char *
#define DBPOOL_FIELD(kind, field, key, initial, least, most, text) DBPOOL_FIELD_##kind field;
    DBPOOL_OPTIONS(DBPOOL_FIELD)
#undef DBPOOL_FIELD
} dbpool_config;

#define DBPOOL_INITIAL(kind, field, key, initial, least, most, text) initial,
#define DBPOOL_CONFIG_INIT \
    { sizeof(dbpool_config), NULL, 0, NULL, NULL, DBPOOL_OPTIONS(DBPOOL_INITIAL) }

/* ---- Opening and closing a pool ---------------------------------------------------------------------------------------------- */

/* Makes a pool from a URL, "scheme://user:password@host:port/database?key=value&…". Keys that begin with "pool_" are options
 * (docs/options.md), every other one is the driver's. The driver is found by the scheme among those registered, then as a shared library
 * beside this one. No connection is opened yet. `config` may be NULL. On success `*pool_out` is to be closed and destroyed by the caller;
 * on failure it is NULL.
 * Errors: EOPTION (naming the option, or the place in the URL and the reason, never its text), EUNSUPPORTED (no such driver), ENOMEM.
 * Thread: any.  Blocks: only to load the driver.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_open(const char *url, const dbpool_config *config, dbpool **pool_out, dbpool_error *err);

/* The same from a scheme and parallel arrays of keywords and values that end with a NULL keyword, as PQconnectdbParams takes them. Nothing
 * is unescaped, and a keyword whose value is NULL counts as not given. `keywords` may be NULL.
 * Errors: as dbpool_open.
 * Thread: any.  Blocks: only to load the driver.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_open_params(const char *scheme, const char *const *keywords, const char *const *values,
                                                              const dbpool_config *config, dbpool **pool_out, dbpool_error *err);

/* Makes a pool over a driver of the caller's own. `driver` and `driver_arg` must outlive the pool's memory (see dbpool_destroy) and that of
 * pools recreated from it; `driver_arg` is handed to its functions, its configure and release are not called.
 * Errors: EINVAL (a required function is missing), EOPTION (also for a setting that the driver cannot serve), ENOMEM.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_open_driver(const dbpool_driver *driver, void *driver_arg, const dbpool_config *config,
                                                              dbpool **pool_out, dbpool_error *err);

/* A caller's own way to open a connection. Exactly one of the two functions is set; open_for is given the record that the connection will
 * serve. Each returns a native handle in `*native_out`, or a failure, which reaches the caller of the checkout unchanged. `deadline_ns` is
 * on dbpool_now_ns's clock; INT64_MAX is none. Several threads may open at once, on threads of the library too, until the pool's memory
 * goes (see dbpool_destroy). `err` is never NULL. */
typedef struct dbpool_creator {
    dbpool_status (*open)(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err);
    dbpool_status (*open_for)(void *arg, dbpool_record *record, int64_t deadline_ns, void **native_out, dbpool_error *err);
    void *arg;
} dbpool_creator;

/* Makes a pool whose connections `creator` opens, and the driver resets, pings and closes. `scheme` names the driver ("postgresql"), as in
 * a URL; for one that is not registered use dbpool_open_driver and dbpool_set_creator. `*creator` is copied.
 * Errors: EINVAL (not exactly one function is set), EOPTION, EUNSUPPORTED (no such driver), ENOMEM.
 * Thread: any.  Blocks: only to load the driver.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_open_creator(const char *scheme, const dbpool_creator *creator,
                                                               const dbpool_config *config, dbpool **pool_out, dbpool_error *err);

/* Replaces the creator, or gives one to a pool that had none. Openings under way end as they began. `*creator` is copied.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_set_creator(dbpool *pool, const dbpool_creator *creator, dbpool_error *err);

/* Stops lending: every caller that waits and every later checkout gets ECLOSED, idle connections are closed. Then waits until the leases
 * that are out have come back (they stay valid, and close for real at their checkin) and openings under way have ended, at most
 * `timeout_ms` (-1: for ever). Detached connections are not waited for. May be called again, by several threads.
 * Errors: ETIMEOUT (the message says how many connections are out, being opened or being closed), EDEADLK (called from a listener while
 * some are: the close has begun, but does not wait).
 * Thread: any.  Blocks: for leases, at most timeout_ms, and to close idle connections.  Round-trips: the drivers' goodbyes.  Callbacks:
 * close. */
DBPOOL_API dbpool_status dbpool_close(dbpool *pool, int64_t timeout_ms, dbpool_error *err);

/* Ends the caller's use of the pool, and closes it first if that has not been done. The memory goes when the last lease, detached
 * connection and opening has ended; handles may be returned until then and after. Until then listeners, creator, driver and log sink may be
 * called; at the end free_value is, for what records have kept, and must not use the pool. NULL is allowed.
 * Thread: any; the pool must not be used by the caller's other threads any more.  Blocks: to close idle connections.  Round-trips: the
 * drivers' goodbyes.  Callbacks: close. */
DBPOOL_API void dbpool_destroy(dbpool *pool);

/* Closes every idle connection. Those that are out go on counting against the limit and are closed at their checkin. The pool stays usable.
 * Thread: any.  Blocks: to close idle connections.  Round-trips: the drivers' goodbyes.  Callbacks: close. */
DBPOOL_API dbpool_status dbpool_dispose(dbpool *pool);

/* Makes a new pool with the settings (size as last changed, log level as configured), listeners, driver, creator and explicit name of this
 * one, which may be closed. Both are independent from then on.
 * Errors: ENOMEM.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_recreate(dbpool *pool, dbpool **pool_out, dbpool_error *err);

/* Changes `size` and `max_overflow` while the pool is in use. Growing serves waiting callers at once; shrinking closes idle connections now
 * and those lent at their checkin, until the new limit holds.
 * Errors: EOPTION, ECLOSED.
 * Thread: any.  Blocks: to close idle connections.  Round-trips: the drivers' goodbyes.  Callbacks: close. */
DBPOOL_API dbpool_status dbpool_resize(dbpool *pool, int32_t size, int32_t max_overflow, dbpool_error *err);

/* ---- Checking out and in ----------------------------------------------------------------------------------------------------- */

/* Lends a connection: an idle one, or a new one, or the next that comes back, for at most the pool's `timeout`. On success `*conn_out` is a
 * lease, to be returned with dbpool_checkin; on failure it is the empty handle.
 * Errors: ETIMEOUT (names size, overflow and time), ECLOSED, ECONNECT and others (the opening's or ping's own error, unchanged),
 * EDISCONNECT ("This connection is closed": every try failed), EDEADLK (in a listener, and it would have to wait), a connect or checkout
 * listener's own status, ELIMIT (no limit is set, and as many are open as a pool can hold), ENOMEM, EBUG.
 * Thread: any.  Blocks: to wait, open and ping, within the deadline, and to close what is replaced.  Round-trips: 0, or 1 with pre_ping, or
 * those of an opening.
 * Callbacks: first_connect, connect, checkout; close and invalidate when a connection is replaced; reset and checkin when it fails. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_checkout(dbpool *pool, dbpool_conn *conn_out, dbpool_error *err);

/* The same with a timeout of the caller's own. -1: for ever. 0: takes what is idle or opens what is allowed, but never waits for another's
 * connection; the opening then is bounded by `connect_timeout` alone.
 * Thread: any.  Blocks: to wait and to open, within the deadline.  Round-trips: as dbpool_checkout.  Callbacks: as dbpool_checkout. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_checkout_timeout(dbpool *pool, int64_t timeout_ms, dbpool_conn *conn_out,
                                                                   dbpool_error *err);

/* dbpool_checkout_timeout with 0: DBPOOL_ETIMEOUT says that nothing is free.
 * Thread: any.  Blocks: only to open.  Round-trips: as dbpool_checkout.  Callbacks: as dbpool_checkout. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_try_checkout(dbpool *pool, dbpool_conn *conn_out, dbpool_error *err);

/* Checks an existing lease out once more, for a nested use: `*conn_out` is one more handle to the same lease, with no ping and no listener.
 * Each handle is returned once, in any order; the connection goes back with the last.
 * Errors: ESTALE ("This connection is closed"), ENOMEM, EUNSUPPORTED (the lease is detached).
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API DBPOOL_MUST_CHECK dbpool_status dbpool_checkout_nested(dbpool_conn conn, dbpool_conn *conn_out, dbpool_error *err);

/* Returns a lease and empties the variable. The connection is reset as the pool is told to; if that fails, or the connection cannot be
 * proven clean, it is closed and its place is free. What finalizers and checkin listeners do to it afterwards is not looked at. A detached
 * connection is closed. Always succeeds but for a handle that is not a lease: then nothing happens.
 * Errors: ESTALE (returned before, or never lent; also when another thread returns the same handle at this moment).
 * Thread: any.  Blocks: for the reset, at most reset_timeout, and to close.  Round-trips: 0 when the connection is clean and
 * reset_on_return is not `full`, else the reset's; the driver's goodbye when it closes.
 * Callbacks: reset, finalizers, checkin; invalidate and close when it closes; reset and close_detached for a detached connection. */
DBPOOL_API dbpool_status dbpool_checkin(dbpool_conn *conn);

/* The same when the caller has already ended the transaction: no rollback or commit is sent and no reset listener runs. A connection that
 * turns out to be inside a transaction is closed, if the driver can tell. A pool whose reset is `full` does that all the same.
 * Errors: as dbpool_checkin.
 * Thread: any.  Blocks: to close, and for a full reset.  Round-trips: 0, or those of a full reset; the driver's goodbye when it closes.
 * Callbacks: as dbpool_checkin, without reset. */
DBPOOL_API dbpool_status dbpool_checkin_no_reset(dbpool_conn *conn);

/* Ends the lease because its connection is no good: closes it now (or, when another handle to it is just being returned, at the end of
 * that), frees its place, empties the variable and makes every other handle to the lease stale. `reason` (may be NULL) goes to the
 * listeners and the log. The record opens a new connection at its next checkout. A detached connection is closed.
 * Errors: ESTALE (also for a lease whose connection dbpool_record_invalidate has closed: that one is still to be returned).
 * Thread: any.  Blocks: to close.  Round-trips: the driver's goodbye.  Callbacks: invalidate, close, checkin; close_detached. */
DBPOOL_API dbpool_status dbpool_invalidate(dbpool_conn *conn, const dbpool_error *reason);

/* Marks the connection: the lease goes on, and after it the record opens a new one. On a detached connection it does nothing.
 * Errors: ESTALE (also for a lease without a connection).
 * Thread: the holder.  Blocks: no.  Round-trips: 0.  Callbacks: soft_invalidate. */
DBPOOL_API dbpool_status dbpool_invalidate_soft(dbpool_conn conn, const dbpool_error *reason);

/* Condemns every connection that was opened before now: each record opens a new one at its next checkout. Given a lease, the pool is
 * condemned only if that connection was opened after the last time (so a burst of failures from one outage counts once), and the lease is
 * invalidated as dbpool_invalidate does. `conn` may be NULL, empty, stale or detached (then it is closed): the pool is condemned all the
 * same. A lease must be of this pool.
 * Thread: any.  Blocks: to close.  Round-trips: the driver's goodbye.  Callbacks: invalidate, close, checkin; close_detached. */
DBPOOL_API dbpool_status dbpool_invalidate_pool(dbpool *pool, dbpool_conn *conn, const dbpool_error *reason);

/* Takes the connection out of the pool: the record goes back at once, free to open another, and no limit counts the connection any more.
 * The variable becomes a new handle, with the connection's info; older copies are stale. dbpool_checkin closes it. Finalizers and tag are
 * dropped. Detaching twice does nothing.
 * Errors: ESTALE (also for a lease without a connection), ENOMEM, EBUSY (other handles to the same lease are out).
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: detach. */
DBPOOL_API dbpool_status dbpool_detach(dbpool_conn *conn, dbpool_error *err);

/* Whether the handle is a lease that has a connection.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API bool dbpool_is_valid(dbpool_conn conn);

/* The driver's own handle, which belongs to the pool and must not be closed; NULL if the handle is stale. postgresql.h and sqlite.h have
 * typed forms.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API void *dbpool_native(dbpool_conn conn);

/* The same if the connection belongs to a driver of this name, else NULL: what the typed forms are made of.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API void *dbpool_native_of(dbpool_conn conn, const char *driver_name);

/* The record that serves a lease, valid while the lease is; NULL if the handle is stale or detached.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_record *dbpool_record_of(dbpool_conn conn);

/* The scope helper: `DBPOOL_SCOPED dbpool_conn conn = DBPOOL_CONN_NONE;` is returned when it goes out of scope. */
static inline void dbpool_scope_end(dbpool_conn *conn) {
    if (conn->cell)
        (void)dbpool_checkin(conn);
}
#if defined(__GNUC__)
#define DBPOOL_SCOPED __attribute__((cleanup(dbpool_scope_end)))
#endif

/* ---- What travels with a connection ------------------------------------------------------------------------------------------- */

/* Two stores of named pointers. CONNECTION lives as long as one driver connection and is emptied before the next is opened; RECORD lives as
 * long as the record, across reconnections, and a detached connection has none. */
typedef enum dbpool_scope { DBPOOL_SCOPE_CONNECTION = 0, DBPOOL_SCOPE_RECORD = 1 } dbpool_scope;

/* Keeps `value` under `key`, replacing what was there. `free_value` (may be NULL) is called on a value that is replaced or dropped; after a
 * failure the value is the caller's. A NULL value removes the key. The same for a lease, and for a record inside a listener or creator.
 * Errors: ESTALE, ENOMEM, EUNSUPPORTED (RECORD on a detached connection).
 * Thread: the holder of the lease; the listener's thread.  Blocks: no.  Round-trips: 0.  Callbacks: free_value of the value replaced. */
DBPOOL_API dbpool_status dbpool_set_info(dbpool_conn conn, dbpool_scope scope, const char *key, void *value, void (*free_value)(void *));
DBPOOL_API dbpool_status dbpool_record_set_info(dbpool_record *record, dbpool_scope scope, const char *key, void *value,
                                                void (*free_value)(void *));

/* What is kept under `key`, or NULL.
 * Thread: the holder of the lease; the listener's thread.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API void *dbpool_get_info(dbpool_conn conn, dbpool_scope scope, const char *key);
DBPOOL_API void *dbpool_record_get_info(dbpool_record *record, dbpool_scope scope, const char *key);

/* Queues `fn(native, arg)` for the record's next checkin, last in first out, after the reset. It is dropped unrun when the connection is
 * closed or detached.
 * Errors: ESTALE, ENOMEM, EUNSUPPORTED (the lease is detached).
 * Thread: the holder of the lease; the listener's thread.  Blocks: no.  Round-trips: 0.  Callbacks: none now. */
DBPOOL_API dbpool_status dbpool_on_checkin(dbpool_conn conn, void (*fn)(void *native, void *arg), void *arg);
DBPOOL_API dbpool_status dbpool_record_on_checkin(dbpool_record *record, void (*fn)(void *native, void *arg), void *arg);

/* Of a record: its driver connection (NULL when it has none), whether a lease refers to it, and when the opening of its connection began
 * (on dbpool_now_ns's clock; 0 when it has none).
 * Thread: the holder of the lease; the listener's thread.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API void *dbpool_record_native(dbpool_record *record);
DBPOOL_API bool dbpool_record_in_use(dbpool_record *record);
DBPOOL_API int64_t dbpool_record_last_connect_ns(dbpool_record *record);

/* Closes the connection of a record that the caller holds, if it has one: the lease goes on without a connection, its return resets
 * nothing, and the record opens a new one at its next checkout. `reason` may be NULL. In a checkout listener return DBPOOL_EDISCONNECT
 * instead.
 * Errors: EBUSY (the record is not lent, or its connection is being closed).
 * Thread: the holder of the lease; the thread of a reset or checkin listener or of a finalizer.  Blocks: to close.  Round-trips: the
 * driver's goodbye.
 * Callbacks: invalidate, close. */
DBPOOL_API dbpool_status dbpool_record_invalidate(dbpool_record *record, const dbpool_error *reason);

/* ---- Listening and logging ---------------------------------------------------------------------------------------------------- */

/* Adds a listener, called after those added before it; or removes the first that is equal. A removed one may still be running, or run once
 * more, on another thread; its little memory stays with the pool.
 * Errors: EINVAL, ENOMEM; unlisten: EINVAL when there is none.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_listen(dbpool *pool, dbpool_event_kind kind, dbpool_listener_fn fn, void *arg);
DBPOOL_API dbpool_status dbpool_unlisten(dbpool *pool, dbpool_event_kind kind, dbpool_listener_fn fn, void *arg);

/* Sets the process-wide sink and level, which pools follow that have none of their own. The level is OFF and there is no sink at first. The
 * old sink may still be running, or run once more, on another thread.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_log_to(dbpool_log_fn sink, void *arg, dbpool_log_level level);

/* Sets a pool's own level (-1: follow the process-wide one) while it runs.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_set_log_level(dbpool *pool, int32_t level);

/* ---- Looking inside ----------------------------------------------------------------------------------------------------------- */

/* Buckets of the wait histogram: bucket i counts waits shorter than 2^i microseconds that fit no smaller one; the last takes the rest. */
#define DBPOOL_WAIT_BUCKETS 32

/* The state of a pool. The gauges are exact when nobody is inside the pool, and never negative. */
typedef struct dbpool_stats {
    size_t struct_size;
    /* gauges */
    int32_t size, max_overflow; /* as set */
    int32_t open;               /* connections that are open or being opened or closed: what the limit counts */
    int32_t idle, leased, opening, waiting, detached;
    /* counters since the pool was made */
    uint64_t checkouts, checkins; /* leases given, leases ended; the difference is out */
    uint64_t nested;              /* further handles to leases */
    uint64_t waits;               /* times that a checkout stood in line */
    uint64_t handoffs;            /* slots that went straight to the oldest of the line */
    uint64_t barged;              /* times that it was woken to look instead, while newcomers might be faster */
    uint64_t timeouts;            /* checkouts that got none in time, those that would not wait included */
    uint64_t opened, open_failed, closed;
    uint64_t invalidated, soft_invalidated, pool_invalidated, recycled, detaches;
    uint64_t resets, reset_failed, unclean; /* unclean: closed at checkin since it was not quiet */
    uint64_t pings, ping_failed, look_failed;
    uint64_t wait_ns; /* summed over all waits that have ended */
    uint64_t wait_histogram[DBPOOL_WAIT_BUCKETS];
} dbpool_stats;

#if defined(__cplusplus)
static inline dbpool_stats dbpool_stats_init(void) {
    dbpool_stats stats = dbpool_stats();
    stats.struct_size = sizeof stats;
    return stats;
}
#define DBPOOL_STATS_INIT (dbpool_stats_init())
#else
#define DBPOOL_STATS_INIT \
    { .struct_size = sizeof(dbpool_stats) }
#endif

/* Takes a snapshot. `stats->struct_size` must be set.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_get_stats(dbpool *pool, dbpool_stats *stats);

/* One lease that is out. */
typedef struct dbpool_lease {
    uint64_t number;    /* that of the handle first given, while that is out */
    uint64_t thread_id; /* of the one who took it: gettid on Linux */
    int64_t age_ms;     /* since it was taken */
    int32_t handles;    /* 1, and 1 more for each nested one */
    char tag[44];       /* the caller's, cut to fit; see dbpool_set_tag */
} dbpool_lease;

/* Lists the leases that are out (also while their checkout or return is under way), detached connections aside, at most `capacity` of them;
 * `*count_out` is how many there are, also when it is more.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_leases(dbpool *pool, dbpool_lease *leases, size_t capacity, size_t *count_out);

/* Gives the lease a short name of the caller's, shown by dbpool_leases until the lease ends.
 * Errors: ESTALE, ENOMEM.
 * Thread: the holder.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_set_tag(dbpool_conn conn, const char *tag);

/* Writes a line such as "Pool size: 5  Connections in pool: 1 Current Overflow: -4 Current Checked out connections: 0", cut to `size` bytes
 * with a final NUL. Returns the length that the whole line has. Those checked out include those being opened or closed.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API size_t dbpool_status_text(dbpool *pool, char *buffer, size_t size);

/* The pool's name, and the timeout of a checkout in milliseconds.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API const char *dbpool_name(dbpool *pool);
DBPOOL_API int64_t dbpool_timeout_ms(dbpool *pool);

/* Tells what the server is, one call of `row` for each fact, as driver.h lists them; for `dbpool check`. It is a statement on the lease's
 * connection, which must owe no results; what is set on it beside the server (notice processor, busy handler) is set back. After ETIMEOUT
 * or EDISCONNECT the connection is to be invalidated.
 * Errors: ESTALE, EUNSUPPORTED, EDISCONNECT, EDRIVER, ETIMEOUT.
 * Thread: the holder.  Blocks: at most timeout_ms.  Round-trips: a few.  Callbacks: row. */
DBPOOL_API dbpool_status dbpool_describe(dbpool_conn conn, int64_t timeout_ms, void (*row)(void *arg, const char *key, const char *value),
                                         void *arg, dbpool_error *err);

/* The monotonic clock that all deadlines are on, in nanoseconds.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API int64_t dbpool_now_ns(void);

#ifdef __cplusplus
}
#endif

#endif
