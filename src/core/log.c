/* SPDX-License-Identifier: MIT */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"
#include "core/pool.h"
#include "os/thread.h"
#include "os/wait.h"

/* The process-wide sink. */
static dbp_mutex process_mutex;
static struct sink {
    dbpool_log_fn fn;
    void *arg;
} process_sink; /* guarded by process_mutex */
static dbp_atomic_u32 process_level;

DBP_FORK_GUARD(process_mutex)

dbpool_log_level dbp_log_process_level(void) { return (dbpool_log_level)dbp_load_relaxed_u32(&process_level); }

static struct sink sink_of(const dbpool *pool) {
    if (pool->config.log)
        return (struct sink){pool->config.log, pool->config.log_arg};
    dbp_mutex_lock(&process_mutex);
    struct sink sink = process_sink;
    dbp_mutex_unlock(&process_mutex);
    return sink;
}

void dbp_log(dbpool *pool, dbpool_log_level level, const char *format, ...) {
    if (__builtin_expect((uint32_t)level > dbp_load_relaxed_u32(&pool->log_level), 1))
        return;
    struct sink sink = sink_of(pool);
    if (!sink.fn)
        return;
    char raw[1024], line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    dbp_buffer text = dbp_buffer_init(line, sizeof line);
    dbp_buffer_escape(&text, raw);
    sink.fn(sink.arg, level, pool->name, line);
}

dbpool_status dbpool_log_to(dbpool_log_fn sink, void *arg, dbpool_log_level level) {
    if (level < DBPOOL_LOG_OFF || level > DBPOOL_LOG_DEBUG)
        return DBPOOL_EINVAL;
    dbp_mutex_lock(&process_mutex);
    process_sink = (struct sink){sink, arg};
    dbp_mutex_unlock(&process_mutex);
    dbp_store_relaxed_u32(&process_level, (uint32_t)level);
    dbp_pools_each(dbp_pool_refresh);
    return DBPOOL_OK;
}

dbpool_status dbpool_set_log_level(dbpool *pool, int32_t level) {
    if (!pool || level < -1 || level > DBPOOL_LOG_DEBUG)
        return DBPOOL_EINVAL;
    if (dbp_pool_is_inherited(pool))
        return DBPOOL_EFORK;
    dbp_mutex_lock(&pool->mutex);
    pool->own_log_level = level;
    dbp_mutex_unlock(&pool->mutex);
    dbp_pool_refresh(pool);
    return DBPOOL_OK;
}
