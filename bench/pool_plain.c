/* SPDX-License-Identifier: MIT
 *
 * The plain pool that others are measured against: what a C program writes by hand. A mutex, a condition variable, a stack.
 */
#include "cycle.h"

#include <pthread.h>
#include <stddef.h>

const char *const cycle_pool_name = "plain";

#define MOST 32768
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static void *idle[MOST];
static int idle_count;

bool cycle_open(int size, const char *order) {
    (void)order;
    for (idle_count = 0; idle_count < size && idle_count < MOST; idle_count++)
        idle[idle_count] = &idle[idle_count];
    return size <= MOST;
}

void cycle_close(void) {}

double cycle_bytes_per_connection(void) { return sizeof *idle; }

static inline void *take(void) {
    pthread_mutex_lock(&mutex);
    while (idle_count == 0)
        pthread_cond_wait(&returned, &mutex);
    void *connection = idle[--idle_count];
    pthread_mutex_unlock(&mutex);
    return connection;
}

static inline void give(void *connection) {
    pthread_mutex_lock(&mutex);
    idle[idle_count++] = connection;
    pthread_mutex_unlock(&mutex);
    pthread_cond_signal(&returned);
}

#define HANDLE void *
#define TAKE(handle) handle = take()
#define GIVE(handle) give(handle)
#include "cycle_loop.h"
