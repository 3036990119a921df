/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C: the handler sets a flag and nothing else. It is taken off as it runs, so that the second signal ends the program at once.
 */
#include <signal.h>

#include "bench.h"

static volatile sig_atomic_t caught = 0;

static void note(int signal_number) {
    (void)signal_number;
    caught = 1;
}

void signals_catch(void) {
    struct sigaction action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool signals_caught(void) { return caught != 0; }
