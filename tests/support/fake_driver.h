/* SPDX-License-Identifier: MIT
 *
 * A driver without a database, for tests of the pool. It counts every call, keeps their order, and at the k-th call of a kind fails,
 * hangs until the test lets it go, or gives the answer that the test has planned. Without a plan everything works.
 *
 * It ends the program, with a message, when the pool breaks a promise: two threads use one native handle at once, or a closed one is used.
 *
 *     fake_driver *fake = fake_driver_create();
 *     fake_driver_plan(fake, FAKE_OPEN, 2, 1, (fake_answer){.status = DBPOOL_ECONNECT});     the second open fails
 *     fake_driver_plan(fake, FAKE_PING, 1, 0, (fake_answer){.hang = true});                  every ping hangs
 *     dbpool_open_driver(fake_driver_table(fake), fake, &config, &pool, &err);
 *     …
 *     fake_driver_await_hanging(fake, FAKE_PING, 1);
 *     fake_driver_release(fake, FAKE_PING);
 *     fake_driver_destroy(fake);                                                             ends the program when a handle is open
 */
#ifndef TESTS_FAKE_DRIVER_H
#define TESTS_FAKE_DRIVER_H

#include <dbpool/driver.h>

typedef enum fake_call {
    FAKE_OPEN,
    FAKE_CLOSE,
    FAKE_LOOK,
    FAKE_STATE,
    FAKE_PING,
    FAKE_RESET,
    FAKE_DESCRIBE,
    FAKE_ABANDON,
    FAKE_CALLS,
} fake_call;

/* What a planned call does, in this order: hangs, then answers. */
typedef struct fake_answer {
    bool hang;         /* until fake_driver_release */
    bool refuse;       /* look: false */
    bool answer_state; /* state: `state` instead of the native's own */
    dbpool_native_state state;
    dbpool_status status; /* open, close, ping, reset, describe: fails unless DBPOOL_OK */
    uint32_t flags;       /* DBPOOL_ERROR_… */
    const char *message;  /* NULL: "opening: planned failure" and the like */
} fake_answer;

typedef struct fake_driver fake_driver;

/* What a native handle of this driver points to. The fields are for reading, but through the functions below. */
typedef struct fake_native {
    fake_driver *driver;
    uint32_t number; /* 1 for the first that was opened */
    uint32_t user;   /* the thread inside, 0 when none is */
    bool closed;
    bool dead;
    dbpool_native_state state;
} fake_native;

fake_driver *fake_driver_create(void);
/* Ends the program when a native is still open. */
void fake_driver_destroy(fake_driver *fake);

/* The table to hand to dbpool_open_driver, with `fake` as its argument. It is this driver's own: a test may set fields to NULL, or its
 * flags, before the pool is made. Its schemes are "fake"; opened by URL, it is the driver created last that serves. */
dbpool_driver *fake_driver_table(fake_driver *fake);

/* From the k-th next call of this kind on (1: the next), `times` calls (0: all) get `answer`. Of several plans that fit the latest one
 * holds. */
void fake_driver_plan(fake_driver *fake, fake_call call, uint32_t k, uint32_t times, fake_answer answer);
void fake_driver_forget_plans(fake_driver *fake);

/* Blocks until at least `count` calls of this kind hang. */
void fake_driver_await_hanging(fake_driver *fake, fake_call call, uint32_t count);
/* Lets those go that hang now; those planned to hang later still do. */
void fake_driver_release(fake_driver *fake, fake_call call);

/* Blocks until there have been at least `count` calls of this kind in all. */
void fake_driver_await_calls(fake_driver *fake, fake_call call, uint32_t count);

uint32_t fake_driver_calls(fake_driver *fake, fake_call call);
/* How many natives are open now, and the most that ever were at once. */
uint32_t fake_driver_open_natives(fake_driver *fake);
uint32_t fake_driver_most_open(fake_driver *fake);
/* The deadline that the last call of this kind was given, and the kind of the last reset. */
int64_t fake_driver_deadline(fake_driver *fake, fake_call call);
int32_t fake_driver_last_reset(fake_driver *fake);

/* The calls since the last time, with the number of their native: "open1 state1 reset1 close1". Cut to fit; then it begins anew. */
const char *fake_driver_history(fake_driver *fake, char *buffer, size_t size);

/* As the holder: what the connection will be found to be. `dead`: look says false and ping EDISCONNECT. */
void fake_native_set_state(void *native, dbpool_native_state state);
void fake_native_kill(void *native);
/* As the holder: a stretch of use, which no other thread and no driver call may overlap. */
void fake_native_enter(void *native);
void fake_native_leave(void *native);

#endif
