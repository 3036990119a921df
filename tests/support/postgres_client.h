/* SPDX-License-Identifier: MIT
 *
 * What tests do with connections to their PostgreSQL server.
 */
#ifndef TESTS_POSTGRES_CLIENT_H
#define TESTS_POSTGRES_CLIENT_H

#include <dbpool/postgresql.h>

#include "postgres_server.h"

/* A connection opened by the driver; the test program ends when that fails. */
PGconn *postgres_open(const postgres_server *server, bool tcp);

/* Runs statements and drops their results. False when one fails. */
bool postgres_run(PGconn *conn, const char *sql);

/* Runs a query that yields one number. */
bool postgres_number(PGconn *conn, const char *sql, int64_t *out);

/* Waits until there is something to read, or until the server has hung up. */
void postgres_await_readable(PGconn *conn);
void postgres_await_hangup(PGconn *conn);

/* Ends the session as an administrator, and waits until that has arrived. */
bool postgres_terminate(const postgres_server *server, PGconn *conn);

#endif
