/* SPDX-License-Identifier: MIT
 *
 * What can block without a deadline (the resolver, LDAP services, GSS) runs on a helper thread. Caller and helper share a job; the one who
 * lets go last frees it, and the word `state` decides, exactly once, whether the caller takes the connection or the helper closes it.
 */
#include "drivers/postgresql/aside.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

enum { RUNNING, DONE, ABANDONED };

struct job {
    dbp_atomic_u32 state;
    dbp_atomic_u32 refs; /* the caller's and the helper's */
    dbp_pg_open_fn open;
    struct dbp_pg_config *config; /* holds a reference */
    int64_t deadline_ns;
    /* written by the helper before `state` is DONE, read by the caller after */
    PGconn *conn;
    dbpool_status status;
    dbpool_error err;
};

static void unref(struct job *job) {
    if (dbp_sub_acq_rel_u32(&job->refs, 1) != 1)
        return;
    dbp_pg_config_unref(job->config);
    dbp_memory_free(job);
}

static bool take_place(struct dbp_pg_config *config, int64_t deadline_ns) {
    uint32_t running = dbp_load_relaxed_u32(&config->aside);
    for (;;) {
        if (running >= DBP_PG_ASIDE_MOST) {
            if (!dbp_wait(&config->aside, running, deadline_ns))
                return false;
            running = dbp_load_relaxed_u32(&config->aside);
        } else if (dbp_cas_acq_rel_u32(&config->aside, &running, running + 1)) {
            return true;
        }
    }
}

static void give_place(struct dbp_pg_config *config) {
    dbp_sub_acq_rel_u32(&config->aside, 1);
    dbp_wake_one(&config->aside);
}

static void help(void *arg) {
    struct job *job = arg;
    job->status = job->open(job->config, job->deadline_ns, &job->conn, &job->err);
    give_place(job->config);
    uint32_t running = RUNNING;
    if (dbp_cas_acq_rel_u32(&job->state, &running, DONE))
        dbp_wake_one(&job->state);
    else if (job->status == DBPOOL_OK)
        dbp_pg->PQfinish(job->conn);
    unref(job);
}

static struct job *start(dbp_pg_open_fn open, struct dbp_pg_config *config, int64_t deadline_ns) {
    struct job *job = dbp_memory_alloc(sizeof *job);
    if (!job)
        return NULL;
    dbp_add_relaxed_u32(&job->refs, 2);
    dbp_pg_config_ref(config);
    job->open = open;
    job->config = config;
    job->deadline_ns = deadline_ns;
    if (dbp_thread_start(help, job, "dbpool-pg-open"))
        return job;
    dbp_sub_acq_rel_u32(&job->refs, 1);
    unref(job);
    return NULL;
}

dbpool_status dbp_pg_open_late(dbpool_error *err) {
    return dbp_error_set_native(err, DBPOOL_ECONNECT, DBPOOL_ERROR_TIMED_OUT | DBPOOL_ERROR_RETRYABLE, 0,
                                "open connection: no server let us in before the time ran out");
}

/* Waits for the helper. True when it is done; false when the deadline has passed and the job is the helper's alone. */
static bool await(struct job *job) {
    while (dbp_load_acquire_u32(&job->state) == RUNNING)
        if (!dbp_wait(&job->state, RUNNING, job->deadline_ns)) {
            uint32_t running = RUNNING;
            return !dbp_cas_acq_rel_u32(&job->state, &running, ABANDONED);
        }
    return true;
}

dbpool_status dbp_pg_open_aside(dbp_pg_open_fn open, struct dbp_pg_config *config, int64_t deadline_ns, PGconn **conn_out,
                                dbpool_error *err) {
    if (!take_place(config, deadline_ns))
        return dbp_pg_open_late(err);
    struct job *job = start(open, config, deadline_ns);
    if (!job) {
        give_place(config);
        return dbp_error_set_native(err, DBPOOL_ENOMEM, DBPOOL_ERROR_RETRYABLE, 0, "open connection: a helper thread could not be started");
    }
    dbpool_status status;
    if (!await(job))
        status = dbp_pg_open_late(err);
    else if ((status = job->status) == DBPOOL_OK)
        *conn_out = job->conn;
    else
        dbp_error_pass(err, &job->err);
    unref(job);
    return status;
}
