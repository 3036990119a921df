/* SPDX-License-Identifier: MIT
 *
 * The body of cycle_run, over TAKE(handle) and GIVE(handle) on a variable of type HANDLE. Included once by each pool's file.
 */
static void run_plain(cycle_thread *thread) {
    HANDLE handle;
    uint64_t cycles = 0;
    while (!*thread->stop && cycles != thread->cycles_wanted - 1) {
        TAKE(handle);
        GIVE(handle);
        cycles++;
    }
    thread->cycles = cycles;
}

static void run_timed(cycle_thread *thread) {
    HANDLE handle;
    uint64_t cycles = 0;
    while (!*thread->stop && cycles < thread->waits_capacity) {
        int64_t asked = cycle_now_ns();
        TAKE(handle);
        int64_t waited = cycle_now_ns() - asked;
        thread->waits_ns[cycles++] = waited > UINT32_MAX ? UINT32_MAX : (uint32_t)waited;
        int64_t got = asked + waited;
        if (thread->hold_ns)
            cycle_sleep_ns(thread->hold_ns);
        thread->held_ns += cycle_now_ns() - got;
        GIVE(handle);
    }
    thread->cycles = cycles;
}

void cycle_run(cycle_thread *thread) {
    if (thread->waits_ns)
        run_timed(thread);
    else
        run_plain(thread);
}
