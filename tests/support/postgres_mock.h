/* SPDX-License-Identifier: MIT
 *
 * A server that speaks just enough of PostgreSQL's protocol to let a client in, and then says what the test wants said. It is a thread of
 * the test on a port of 127.0.0.1, and serves one connection at a time.
 */
#ifndef TESTS_POSTGRES_MOCK_H
#define TESTS_POSTGRES_MOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct postgres_mock {
    bool standby;        /* says that it is one */
    const char *refusal; /* an SQLSTATE: it answers each login with this FATAL error */
    bool silent;         /* takes connections (as the kernel does) but never reads or answers */
    const char *said;    /* bytes that it sends when it has been sent anything after the login */
    size_t said_length;
    bool for_ever; /* and again, until the client goes */
    /* the rest is its own */
    char port[8];
    int listener;
    int stop[2];
    pthread_t thread;
} postgres_mock;

/* The fields above `port` are set before. */
bool postgres_mock_start(postgres_mock *mock);
void postgres_mock_stop(postgres_mock *mock);

/* Appends a message of the protocol to `buffer`: its type, its body. Returns the new length. */
size_t postgres_mock_message(char *buffer, size_t length, char type, const void *body, size_t body_length);

#endif
