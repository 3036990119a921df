/* SPDX-License-Identifier: MIT
 *
 * A PostgreSQL server of the test's own: a new cluster in a temporary directory, on a socket there and on a free port of 127.0.0.1, with
 * TLS where openssl is at hand. A supervisor process keeps it, stops it and removes the directory when the test ends, however it ends.
 * Everybody logs in with a password.
 */
#ifndef TESTS_POSTGRES_SERVER_H
#define TESTS_POSTGRES_SERVER_H

#include <dbpool/driver.h>
#include <sys/types.h>

#define POSTGRES_SERVER_USER "dbpool"
#define POSTGRES_SERVER_PASSWORD "xyzzy-marker-4711"

typedef struct postgres_server {
    char directory[64]; /* of the socket */
    char port[8];
    bool tls;
    /* the rest is the supervisor's */
    pid_t supervisor;
    int orders;
    int reports;
} postgres_server;

/* Starts a server and returns 0 when it takes connections; or prints why it cannot be and returns what main is to return: 77 when
 * PostgreSQL is not installed. */
int postgres_server_start(postgres_server *server);

/* Stops it and removes everything. */
void postgres_server_stop(postgres_server *server);

/* Shuts it down as a crash would and starts it again; returns when it takes connections. */
bool postgres_server_restart(postgres_server *server);

/* The process id of the postmaster. */
pid_t postgres_server_pid(const postgres_server *server);

/* Sends a signal to the postmaster and all its children. */
void postgres_server_signal_all(const postgres_server *server, int signal);

/* Connect arguments, with the password: the first POSTGRES_SERVER_PARAMS of `params` are filled in, over the socket or over TCP. Their
 * texts live as long as the server. */
#define POSTGRES_SERVER_PARAMS 5
void postgres_server_params(const postgres_server *server, bool tcp, dbpool_param params[POSTGRES_SERVER_PARAMS]);

#endif
