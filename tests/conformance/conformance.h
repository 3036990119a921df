/* SPDX-License-Identifier: MIT
 *
 * What every driver must keep, as one suite of cases. A driver's test program makes its database ready (or exits with 77 when it
 * cannot), fills in an adapter and hands it to conformance_run. An adapter says how one does in this database what the cases need;
 * a field that is NULL says that the database knows no such thing, and the cases that need it are left out and counted in the output.
 */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include <dbpool/dbpool.h>
#include <dbpool/driver.h>

/* The password that stands in every connect argument that can hold one. No message, log line or fact may contain it. */
#define CONFORMANCE_SECRET "xyzzy-marker-4711"

/* What a reset makes of something that the last holder left behind. */
typedef enum conformance_fate {
    CONFORMANCE_STAYS,  /* the next holder finds it: documented as such */
    CONFORMANCE_GONE,   /* the reset succeeds and undoes it */
    CONFORMANCE_CLOSED, /* the reset fails, or `state` says unclean: the connection is closed, and so it is gone with it */
} conformance_fate;

/* One thing that a holder can leave behind, outside of a transaction. */
typedef struct conformance_leftover {
    const char *name;
    const char *make;                /* SQL that leaves it; or NULL, and */
    bool (*make_by)(void *native);   /* a function that does; true when it is done */
    const char *probe;               /* SQL that yields one row of one number, 1 while it is there and 0 when not; or NULL, and */
    bool (*probe_by)(void *native);  /* a function that tells */
    void (*clean_up)(void *native);  /* frees what make_by made outside of the connection, after it was closed; or NULL */
    conformance_fate after_rollback; /* the same after commit */
    conformance_fate after_full;
} conformance_leftover;

/* Connect arguments that configure or the first open must refuse. */
typedef struct conformance_refusal {
    const char *name;
    const dbpool_param *params;
    size_t count;
    dbpool_status status; /* the status of the failure */
    const char *names;    /* a text that the message must contain: the key at fault */
} conformance_refusal;

typedef struct conformance_adapter {
    const dbpool_driver *driver;

    /* The same database as a URL and as the parameters that this URL yields. With CONFORMANCE_SECRET as the password where there is one. */
    const char *url;
    const dbpool_param *params;
    size_t param_count;

    /* Runs statements to their end and drops their results. False when one fails. */
    bool (*run)(void *native, const char *sql);
    /* Runs a query that yields one row of one number. False when it fails. */
    bool (*number)(void *native, const char *sql, int64_t *out);
    /* Whether both are the same session, looked at from the database where that is possible. NULL: the pointers are compared. */
    bool (*same_session)(void *native, void *other);

    /* SQL. `table` is the name of a table of one integer column "n" that the test program has made. */
    const char *table;
    const char *begin;

    /* Leaves a result half read, so that the connection is not quiet. drop_unread frees what is the caller's; it is called after the
     * connection has been closed. */
    bool (*leave_unread)(void *native);
    void (*drop_unread)(void);

    /* Ends the session from outside, as an administrator, a crash or a lost file would, and returns when it has taken effect as far as
     * a look can see. */
    bool (*kill)(void *native);
    bool kill_is_for_all; /* every other connection is dead by the same event: ping must say DBPOOL_ERROR_POOL_STALE */
    bool (*revive)(void); /* undoes what `kill` did to the database, so that new connections work; may be NULL */

    /* Makes the driver's next operation of that kind hang for longer than any test lives, and ends that again. NULL where nothing can
     * make it hang. For reset the connection is inside a transaction that has written to `table`, and the reset is `stuck_reset`. */
    bool (*stick_open)(void);
    bool (*stick_ping)(void *native);
    bool (*stick_reset)(void *native);
    int32_t stuck_reset;
    void (*unstick)(void);

    /* Connect arguments whose opening fails with DBPOOL_ECONNECT. */
    const dbpool_param *unreachable;
    size_t unreachable_count;

    const conformance_refusal *refusals;
    size_t refusal_count;

    const conformance_leftover *leftovers;
    size_t leftover_count;

    /* Keys that describe must report. */
    const char *const *facts;
    size_t fact_count;
} conformance_adapter;

/* Runs every case. Returns what main is to return: the number of cases that failed. */
int conformance_run(const conformance_adapter *adapter);

#endif
