/* SPDX-License-Identifier: MIT
 *
 * Looking inside a pool: statistics, the leases that are out, the status line, and the names of things. Everything is read while the pool
 * runs; each figure is true of some moment during the call.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "core/pool.h"
#include "os/clock.h"

_Static_assert(DBPOOL_WAIT_BUCKETS == DBP_WAIT_BUCKETS, "the histogram is copied");

/* ---- Names ---- */

const char *dbp_event_name(dbpool_event_kind kind) {
#define TEXT(name, text) text,
    static const char *const names[] = {DBPOOL_EVENTS(TEXT)};
#undef TEXT
    return (unsigned)kind < DBPOOL_EVENT_COUNT ? names[kind] : "unknown";
}

dbpool_status dbpool_error_set(dbpool_error *err, dbpool_status status, const char *format, ...) {
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return dbp_error_set(err, status, "%s", message);
}

#define TEXT_OF(number) #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)
const char *dbpool_version(void) { return VERSION_OF(DBPOOL_VERSION_MAJOR, DBPOOL_VERSION_MINOR, DBPOOL_VERSION_PATCH); }

int64_t dbpool_now_ns(void) { return dbp_clock_now(); }

/* ---- Records ---- */

static bool is_out(const dbpool_record *record) { return dbp_load_relaxed_u32(&record->holder) != 0; }

static dbpool_record *record_at(dbpool *pool, uint32_t index) { return dbp_record_of_slot(dbp_lend_slot(&pool->lend, index)); }

static void add_records(dbpool *pool, dbpool_stats *stats) {
    uint32_t created = dbp_lend_created(&pool->lend);
    for (uint32_t index = 1; index <= created; index++) {
        const dbpool_record *record = record_at(pool, index);
        stats->checkouts += dbp_load_relaxed_u64(&record->uses);
        stats->leased += is_out(record);
        stats->opening += dbp_load_relaxed_u32(&record->state) == DBP_RECORD_OPENING;
    }
}

static void add_counters(dbpool *pool, dbpool_stats *stats) {
    const struct {
        dbp_counter counter;
        uint64_t *to;
    } rows[] = {
        {DBP_COUNT_NESTED,           &stats->nested          },
        {DBP_COUNT_OPENED,           &stats->opened          },
        {DBP_COUNT_OPEN_FAILED,      &stats->open_failed     },
        {DBP_COUNT_CLOSED,           &stats->closed          },
        {DBP_COUNT_INVALIDATED,      &stats->invalidated     },
        {DBP_COUNT_SOFT_INVALIDATED, &stats->soft_invalidated},
        {DBP_COUNT_POOL_INVALIDATED, &stats->pool_invalidated},
        {DBP_COUNT_RECYCLED,         &stats->recycled        },
        {DBP_COUNT_DETACHES,         &stats->detaches        },
        {DBP_COUNT_RESETS,           &stats->resets          },
        {DBP_COUNT_RESET_FAILED,     &stats->reset_failed    },
        {DBP_COUNT_UNCLEAN,          &stats->unclean         },
        {DBP_COUNT_PINGS,            &stats->pings           },
        {DBP_COUNT_PING_FAILED,      &stats->ping_failed     },
        {DBP_COUNT_LOOK_FAILED,      &stats->look_failed     },
    };
    _Static_assert(sizeof rows / sizeof *rows == DBP_COUNTERS, "every counter has its row");
    for (size_t i = 0; i < DBP_COUNTERS; i++)
        *rows[i].to = dbp_load_relaxed_u64(&pool->counters[rows[i].counter]);
}

static void add_lending(dbpool *pool, dbpool_stats *stats) {
    dbp_lend_stats lending;
    dbp_lend_get_stats(&pool->lend, &lending);
    stats->open = (int32_t)lending.places;
    stats->idle = (int32_t)lending.idle;
    stats->waiting = (int32_t)lending.waiting;
    stats->waits = lending.waits;
    stats->handoffs = lending.handoffs;
    stats->barged = lending.barged;
    stats->timeouts = lending.timeouts;
    stats->wait_ns = lending.wait_ns;
    memcpy(stats->wait_histogram, lending.histogram, sizeof stats->wait_histogram);
}

dbpool_status dbpool_get_stats(dbpool *pool, dbpool_stats *out) {
    if (!pool || !out || out->struct_size < offsetof(dbpool_stats, open) || out->struct_size > 4096)
        return DBPOOL_EINVAL;
    if (dbp_pool_is_inherited(pool))
        return DBPOOL_EFORK;
    dbpool_stats stats = {.struct_size = out->struct_size};
    dbp_mutex_lock(&pool->mutex);
    stats.size = pool->config.size;
    stats.max_overflow = pool->config.max_overflow;
    dbp_mutex_unlock(&pool->mutex);
    stats.detached = (int32_t)dbp_load_relaxed_u32(&pool->detached);
    add_lending(pool, &stats);
    add_records(pool, &stats);
    add_counters(pool, &stats);
    /* A lease is counted when it is given, so the difference is never negative. */
    stats.checkins = stats.checkouts > (uint64_t)stats.leased ? stats.checkouts - (uint64_t)stats.leased : 0;
    memcpy(out, &stats, out->struct_size < sizeof stats ? out->struct_size : sizeof stats);
    return DBPOOL_OK;
}

/* ---- Leases ---- */

static void describe_lease(const dbpool_record *record, int64_t now, dbpool_lease *lease) {
    int64_t age_ns = now - (int64_t)dbp_load_relaxed_u64(&record->since_ns);
    *lease = (dbpool_lease){
        .number = dbp_load_relaxed_u64(&record->cell.number),
        .thread_id = dbp_load_relaxed_u32(&record->holder),
        .age_ms = age_ns > 0 ? age_ns / DBP_NS_PER_MS : 0,
        .handles = (int32_t)dbp_load_relaxed_u32(&record->handles),
    };
    if (record->extras)
        memcpy(lease->tag, record->extras->tag, sizeof lease->tag);
}

dbpool_status dbpool_leases(dbpool *pool, dbpool_lease *leases, size_t capacity, size_t *count_out) {
    if (!pool || !count_out || (capacity > 0 && !leases))
        return DBPOOL_EINVAL;
    if (dbp_pool_is_inherited(pool))
        return DBPOOL_EFORK;
    uint32_t created = dbp_lend_created(&pool->lend);
    int64_t now = dbp_clock_now();
    *count_out = 0;
    /* The mutex keeps extras and tags where they are. */
    dbp_mutex_lock(&pool->mutex);
    for (uint32_t index = 1; index <= created; index++) {
        const dbpool_record *record = record_at(pool, index);
        if (!is_out(record))
            continue;
        if (*count_out < capacity)
            describe_lease(record, now, &leases[*count_out]);
        ++*count_out;
    }
    dbp_mutex_unlock(&pool->mutex);
    return DBPOOL_OK;
}

size_t dbpool_status_text(dbpool *pool, char *buffer, size_t size) {
    dbp_buffer text = dbp_buffer_init(buffer, buffer ? size : 0);
    if (!pool)
        return 0;
    dbpool_stats stats = {.struct_size = sizeof stats};
    (void)dbpool_get_stats(pool, &stats);
    int32_t overflow = stats.size == 0 ? 0 : stats.open - stats.size;
    dbp_buffer_format(&text, "Pool size: %d  Connections in pool: %d Current Overflow: %d Current Checked out connections: %d", stats.size,
                      stats.idle, overflow, stats.open - stats.idle);
    return text.length;
}
