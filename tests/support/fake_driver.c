/* SPDX-License-Identifier: MIT
 *
 * Each driver has one mutex and one condition, which tells of every change. Natives are kept until the driver is destroyed, so that
 * the use of a closed one is noticed.
 */
#include "fake_driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/thread.h"

#define PLANS 64
#define HISTORY 4096

static const char *const names[FAKE_CALLS] = {"open", "close", "look", "state", "ping", "reset", "describe", "abandon"};
static const char *const actions[FAKE_CALLS] = {"opening", "closing",   "looking",    "asking",
                                                "pinging", "resetting", "describing", "abandoning"};

struct plan {
    fake_call call;
    uint32_t first, last; /* numbers of calls, from 1, both included */
    fake_answer answer;
};

struct fake_driver {
    dbpool_driver table;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* guarded by mutex */
    struct plan plans[PLANS];
    size_t plan_count;
    uint32_t calls[FAKE_CALLS], hanging[FAKE_CALLS], releases[FAKE_CALLS];
    int64_t deadlines[FAKE_CALLS];
    int32_t last_reset;
    fake_native **natives;
    uint32_t native_count, open, most_open;
    struct {
        fake_call call;
        uint32_t number;
    } history[HISTORY];
    size_t history_count;
};

static fake_driver *latest;

static void broken(const char *what, fake_call call, const fake_native *native) {
    fprintf(stderr, "fake driver: %s: %s of native %u\n", what, names[call], native ? native->number : 0);
    abort();
}

static void take(fake_native *native, fake_call call) {
    uint32_t nobody = 0;
    if (!__atomic_compare_exchange_n(&native->user, &nobody, dbp_thread_id(), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        broken("a native handle is used by two at once", call, native);
    if (native->closed)
        broken("a closed native handle is used", call, native);
}

static void give_back(fake_native *native) { __atomic_store_n(&native->user, 0, __ATOMIC_RELEASE); }

static fake_answer planned_locked(const fake_driver *fake, fake_call call) {
    for (size_t i = fake->plan_count; i-- > 0;) {
        const struct plan *plan = &fake->plans[i];
        if (plan->call == call && plan->first <= fake->calls[call] && fake->calls[call] <= plan->last)
            return plan->answer;
    }
    return (fake_answer){.status = DBPOOL_OK};
}

static void hang_locked(fake_driver *fake, fake_call call) {
    uint32_t before = fake->releases[call];
    fake->hanging[call]++;
    pthread_cond_broadcast(&fake->changed);
    while (fake->releases[call] == before)
        pthread_cond_wait(&fake->changed, &fake->mutex);
    fake->hanging[call]--;
}

/* Counts a call and does what all calls do. The native is taken while it lasts. */
static fake_answer begin(fake_driver *fake, fake_call call, fake_native *native, int64_t deadline_ns) {
    if (native)
        take(native, call);
    pthread_mutex_lock(&fake->mutex);
    fake->calls[call]++;
    fake->deadlines[call] = deadline_ns;
    if (fake->history_count < HISTORY) {
        fake->history[fake->history_count].call = call;
        fake->history[fake->history_count++].number = native ? native->number : fake->native_count + 1;
    }
    fake_answer answer = planned_locked(fake, call);
    pthread_cond_broadcast(&fake->changed);
    if (answer.hang)
        hang_locked(fake, call);
    pthread_mutex_unlock(&fake->mutex);
    return answer;
}

static dbpool_status end(fake_native *native, fake_call call, const fake_answer *answer, dbpool_error *err) {
    if (native)
        give_back(native);
    if (answer->status == DBPOOL_OK)
        return DBPOOL_OK;
    const char *message = answer->message;
    return message ? dbp_error_set_native(err, answer->status, answer->flags, 0, "%s", message)
                   : dbp_error_set_native(err, answer->status, answer->flags, 0, "%s: planned failure", actions[call]);
}

static fake_native *make_native(fake_driver *fake) {
    fake_native *native = calloc(1, sizeof *native);
    pthread_mutex_lock(&fake->mutex);
    fake->natives = realloc(fake->natives, (fake->native_count + 1) * sizeof *fake->natives);
    fake->natives[fake->native_count++] = native;
    native->driver = fake;
    native->number = fake->native_count;
    if (++fake->open > fake->most_open)
        fake->most_open = fake->open;
    pthread_mutex_unlock(&fake->mutex);
    return native;
}

static dbpool_status open_native(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fake_answer answer = begin(arg, FAKE_OPEN, NULL, deadline_ns);
    if (answer.status == DBPOOL_OK)
        *native_out = make_native(arg);
    return end(NULL, FAKE_OPEN, &answer, err);
}

static dbpool_status close_native(void *arg, void *native, dbpool_error *err) {
    fake_driver *fake = arg;
    fake_native *self = native;
    fake_answer answer = begin(fake, FAKE_CLOSE, self, 0);
    pthread_mutex_lock(&fake->mutex);
    self->closed = true;
    fake->open--;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
    return end(self, FAKE_CLOSE, &answer, err);
}

static bool look(void *arg, void *native) {
    fake_native *self = native;
    fake_answer answer = begin(arg, FAKE_LOOK, self, 0);
    bool lives = !answer.refuse && !self->dead && self->state != DBPOOL_NATIVE_UNCLEAN;
    give_back(self);
    return lives;
}

static dbpool_native_state tell_state(void *arg, void *native) {
    fake_native *self = native;
    fake_answer answer = begin(arg, FAKE_STATE, self, 0);
    dbpool_native_state state = answer.answer_state ? answer.state : self->state;
    give_back(self);
    return state;
}

static dbpool_status ping(void *arg, void *native, int64_t deadline_ns, dbpool_error *err) {
    fake_native *self = native;
    fake_answer answer = begin(arg, FAKE_PING, self, deadline_ns);
    if (answer.status == DBPOOL_OK && self->dead)
        answer = (fake_answer){.status = DBPOOL_EDISCONNECT, .flags = DBPOOL_ERROR_CONNECTION_LOST, .message = "pinging: it is dead"};
    return end(self, FAKE_PING, &answer, err);
}

static dbpool_status reset(void *arg, void *native, int32_t kind, int64_t deadline_ns, dbpool_error *err) {
    fake_driver *fake = arg;
    fake_native *self = native;
    fake_answer answer = begin(fake, FAKE_RESET, self, deadline_ns);
    pthread_mutex_lock(&fake->mutex);
    fake->last_reset = kind;
    pthread_mutex_unlock(&fake->mutex);
    if (answer.status == DBPOOL_OK && (self->dead || self->state == DBPOOL_NATIVE_UNCLEAN))
        answer = (fake_answer){.status = DBPOOL_EDRIVER, .message = "resetting: it is not quiet"};
    else if (answer.status == DBPOOL_OK)
        self->state = DBPOOL_NATIVE_CLEAN;
    return end(self, FAKE_RESET, &answer, err);
}

static void abandon(void *arg, void *native) {
    fake_driver *fake = arg;
    fake_native *self = native;
    begin(fake, FAKE_ABANDON, self, 0);
    self->closed = true;
    fake->open--;
    give_back(self);
}

static dbpool_status describe(void *arg, void *native, int64_t deadline_ns, void (*row)(void *arg, const char *key, const char *value),
                              void *row_arg, dbpool_error *err) {
    fake_answer answer = begin(arg, FAKE_DESCRIBE, native, deadline_ns);
    if (answer.status == DBPOOL_OK) {
        row(row_arg, "server", "fake 1.0");
        row(row_arg, "role", "primary");
    }
    return end(native, FAKE_DESCRIBE, &answer, err);
}

static dbpool_status configure(const dbpool_param *params, size_t count, void **arg_out, dbpool_error *err) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].key, "unknown") == 0)
            return dbp_error_set(err, DBPOOL_EOPTION, "configuring: unknown: the fake driver has no such option");
    *arg_out = latest;
    return latest ? DBPOOL_OK : dbp_error_set(err, DBPOOL_EUNSUPPORTED, "configuring: the test has created no fake driver");
}

/* The test that created the driver destroys it. */
static void release(void *arg) { (void)arg; }

fake_driver *fake_driver_create(void) {
    fake_driver *fake = calloc(1, sizeof *fake);
    fake->table = (dbpool_driver){
        .struct_size = sizeof fake->table,
        .name = "fake",
        .schemes = "fake",
        .flags = DBPOOL_DRIVER_RESETS_FULLY,
        .configure = configure,
        .release = release,
        .open = open_native,
        .close = close_native,
        .look = look,
        .state = tell_state,
        .ping = ping,
        .reset = reset,
        .abandon = abandon,
        .describe = describe,
    };
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->changed, NULL);
    latest = fake;
    return fake;
}

void fake_driver_destroy(fake_driver *fake) {
    for (uint32_t i = 0; i < fake->native_count; i++) {
        if (!fake->natives[i]->closed)
            broken("a native handle was never closed", FAKE_CLOSE, fake->natives[i]);
        free(fake->natives[i]);
    }
    free(fake->natives);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->mutex);
    if (latest == fake)
        latest = NULL;
    free(fake);
}

dbpool_driver *fake_driver_table(fake_driver *fake) { return &fake->table; }

void fake_driver_plan(fake_driver *fake, fake_call call, uint32_t k, uint32_t times, fake_answer answer) {
    pthread_mutex_lock(&fake->mutex);
    if (fake->plan_count == PLANS) {
        fprintf(stderr, "fake driver: more than %d plans\n", PLANS);
        abort();
    }
    uint32_t first = fake->calls[call] + k;
    fake->plans[fake->plan_count++] = (struct plan){call, first, times == 0 ? UINT32_MAX : first + times - 1, answer};
    pthread_mutex_unlock(&fake->mutex);
}

void fake_driver_forget_plans(fake_driver *fake) {
    pthread_mutex_lock(&fake->mutex);
    fake->plan_count = 0;
    pthread_mutex_unlock(&fake->mutex);
}

/* Blocks until counters[call] >= count. */
static void await(fake_driver *fake, const uint32_t *counter, uint32_t count) {
    pthread_mutex_lock(&fake->mutex);
    while (*counter < count)
        pthread_cond_wait(&fake->changed, &fake->mutex);
    pthread_mutex_unlock(&fake->mutex);
}

void fake_driver_await_hanging(fake_driver *fake, fake_call call, uint32_t count) { await(fake, &fake->hanging[call], count); }

void fake_driver_await_calls(fake_driver *fake, fake_call call, uint32_t count) { await(fake, &fake->calls[call], count); }

void fake_driver_release(fake_driver *fake, fake_call call) {
    pthread_mutex_lock(&fake->mutex);
    fake->releases[call]++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}

static uint32_t read_counter(fake_driver *fake, const uint32_t *counter) {
    pthread_mutex_lock(&fake->mutex);
    uint32_t value = *counter;
    pthread_mutex_unlock(&fake->mutex);
    return value;
}

uint32_t fake_driver_calls(fake_driver *fake, fake_call call) { return read_counter(fake, &fake->calls[call]); }

uint32_t fake_driver_open_natives(fake_driver *fake) { return read_counter(fake, &fake->open); }

uint32_t fake_driver_most_open(fake_driver *fake) { return read_counter(fake, &fake->most_open); }

int64_t fake_driver_deadline(fake_driver *fake, fake_call call) {
    pthread_mutex_lock(&fake->mutex);
    int64_t deadline = fake->deadlines[call];
    pthread_mutex_unlock(&fake->mutex);
    return deadline;
}

int32_t fake_driver_last_reset(fake_driver *fake) {
    pthread_mutex_lock(&fake->mutex);
    int32_t kind = fake->last_reset;
    pthread_mutex_unlock(&fake->mutex);
    return kind;
}

const char *fake_driver_history(fake_driver *fake, char *buffer, size_t size) {
    size_t length = 0;
    buffer[0] = '\0';
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = 0; i < fake->history_count && length < size; i++)
        length +=
            (size_t)snprintf(buffer + length, size - length, "%s%s%u", i ? " " : "", names[fake->history[i].call], fake->history[i].number);
    fake->history_count = 0;
    pthread_mutex_unlock(&fake->mutex);
    return buffer;
}

void fake_native_set_state(void *native, dbpool_native_state state) {
    fake_native_enter(native);
    ((fake_native *)native)->state = state;
    fake_native_leave(native);
}

/* A server may die at any moment: the native need not be ours. */
void fake_native_kill(void *native) { __atomic_store_n(&((fake_native *)native)->dead, true, __ATOMIC_RELEASE); }

void fake_native_enter(void *native) { take(native, FAKE_STATE); }

void fake_native_leave(void *native) { give_back(native); }
