/* SPDX-License-Identifier: MIT
 *
 * Runs one scenario on one pool and prints what it saw as one line of JSON:
 *
 *     bench-POOL cycle THREADS SIZE ORDER SECONDS            no hold: nanoseconds of wall time per cycle, all threads together
 *     bench-POOL hold THREADS SIZE ORDER SECONDS HOLD_NS     sleeping while holding: waits, fairness
 *     bench-POOL count SIZE ORDER CYCLES                     exactly so many cycles on one thread, for callgrind
 *     bench-POOL memory SIZE                                 bytes per connection
 *     bench-POOL cas SECONDS                                 the floor: two uncontended compare-and-swaps
 */
#include "cycle.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int64_t cycle_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void cycle_sleep_ns(int64_t ns) {
    struct timespec rest = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (nanosleep(&rest, &rest) != 0)
        ;
}

static volatile bool stop;
static pthread_barrier_t start_line;

static void *run(void *arg) {
    /* A hold of 1 ms is to be 1 ms: by default the kernel may let a sleeper lie 50 us longer. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    pthread_barrier_wait(&start_line);
    cycle_run(arg);
    return NULL;
}

/* As many threads as processors or fewer: one each, or the kernel puts two on one now and then, and the figures are of two kinds. */
static void place(pthread_attr_t *attributes, int thread, int count) {
    int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < processors; i++)
        if (count > processors || i == thread)
            CPU_SET((size_t)i, &set);
    pthread_attr_setaffinity_np(attributes, sizeof set, &set);
}

/* Runs all threads for `seconds` and returns the wall time. */
static int64_t run_threads(cycle_thread *threads, int count, double seconds) {
    pthread_t *ids = calloc((size_t)count, sizeof *ids);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_barrier_init(&start_line, NULL, (unsigned)count + 1);
    stop = false;
    for (int i = 0; i < count; i++) {
        place(&attributes, i, count);
        pthread_create(&ids[i], &attributes, run, &threads[i]);
    }
    pthread_barrier_wait(&start_line);
    int64_t began = cycle_now_ns();
    cycle_sleep_ns((int64_t)(seconds * 1e9));
    stop = true;
    for (int i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    return cycle_now_ns() - began;
}

static cycle_thread *make_threads(int count, int64_t hold_ns, uint64_t samples) {
    cycle_thread *threads = calloc((size_t)count, sizeof *threads);
    for (int i = 0; i < count; i++) {
        threads[i] = (cycle_thread){.stop = &stop, .hold_ns = hold_ns, .waits_capacity = samples};
        if (samples)
            threads[i].waits_ns = malloc(samples * sizeof(uint32_t));
    }
    return threads;
}

struct fairness {
    uint64_t total, least, most;
    int64_t held_ns;
};

static struct fairness add_up(const cycle_thread *threads, int count) {
    struct fairness sum = {0, UINT64_MAX, 0, 0};
    for (int i = 0; i < count; i++) {
        sum.total += threads[i].cycles;
        sum.held_ns += threads[i].held_ns;
        sum.least = threads[i].cycles < sum.least ? threads[i].cycles : sum.least;
        sum.most = threads[i].cycles > sum.most ? threads[i].cycles : sum.most;
    }
    return sum;
}

static double ratio(const struct fairness *sum) { return sum->most ? (double)sum->least / (double)sum->most : 0; }

static int run_cycle(int count, double seconds) {
    cycle_thread *threads = make_threads(count, 0, 0);
    (void)run_threads(threads, count, seconds / 5);
    int64_t wall = run_threads(threads, count, seconds);
    struct fairness sum = add_up(threads, count);
    printf("{\"ns_per_cycle\": %.3f, \"fairness\": %.3f}\n", (double)wall / (double)sum.total, ratio(&sum));
    return 0;
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int run_hold(int count, double seconds, int64_t hold_ns) {
    uint64_t samples = (uint64_t)(seconds * 2e9 / (double)hold_ns) + 16, all = 0;
    cycle_thread *threads = make_threads(count, hold_ns, samples);
    int64_t wall = run_threads(threads, count, seconds);
    struct fairness sum = add_up(threads, count);
    uint32_t *waits = malloc((sum.total + 1) * sizeof *waits);
    for (int i = 0; i < count; i++) {
        memcpy(waits + all, threads[i].waits_ns, threads[i].cycles * sizeof *waits);
        all += threads[i].cycles;
    }
    qsort(waits, all, sizeof *waits, by_value);
    printf("{\"held_ms\": %.4f, \"per_second\": %.1f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"fairness\": %.3f}\n",
           (double)sum.held_ns / 1e6 / (double)sum.total, (double)sum.total * 1e9 / (double)wall, waits[all / 2] / 1e6,
           waits[all * 99 / 100] / 1e6, waits[all - 1] / 1e6, ratio(&sum));
    return 0;
}

static int run_count(uint64_t cycles) {
    cycle_thread thread = {.stop = &stop, .cycles_wanted = cycles + 1};
    cycle_run(&thread);
    printf("{\"cycles\": %llu}\n", (unsigned long long)thread.cycles);
    return 0;
}

static int run_cas(double seconds) {
    static _Alignas(64) atomic_uint_fast64_t word;
    int64_t began = cycle_now_ns(), end = began + (int64_t)(seconds * 1e9), now;
    uint64_t pairs = 0;
    do {
        for (int i = 0; i < 100000; i++) {
            uint_fast64_t zero = 0, one = 1;
            atomic_compare_exchange_strong(&word, &zero, 1);
            atomic_compare_exchange_strong(&word, &one, 0);
        }
        pairs += 100000;
        now = cycle_now_ns();
    } while (now < end);
    printf("{\"ns_per_cycle\": %.3f}\n", (double)(now - began) / (double)pairs);
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: bench-%s cycle|hold|count|memory|cas …, see bench/cycle.c\n", cycle_pool_name);
    return 2;
}

static bool open_or_say(int size, const char *order) {
    bool opened = cycle_open(size, order);
    if (!opened)
        fprintf(stderr, "bench-%s: cannot open a pool of %d, order %s\n", cycle_pool_name, size, order);
    return opened;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int result = 1;
    if (strcmp(what, "cas") == 0 && argc == 3)
        return run_cas(atof(argv[2]));
    if (strcmp(what, "cycle") == 0 && argc == 6 && open_or_say(atoi(argv[3]), argv[4]))
        result = run_cycle(atoi(argv[2]), atof(argv[5]));
    else if (strcmp(what, "hold") == 0 && argc == 7 && open_or_say(atoi(argv[3]), argv[4]))
        result = run_hold(atoi(argv[2]), atof(argv[5]), atoll(argv[6]));
    else if (strcmp(what, "count") == 0 && argc == 5 && open_or_say(atoi(argv[2]), argv[3]))
        result = run_count((uint64_t)atoll(argv[4]));
    else if (strcmp(what, "memory") == 0 && argc == 3 && open_or_say(atoi(argv[2]), "warm"))
        result = printf("{\"bytes\": %.1f}\n", cycle_bytes_per_connection()) < 0;
    else
        return usage();
    cycle_close();
    return result;
}
