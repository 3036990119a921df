/* SPDX-License-Identifier: MIT
 *
 * Keeps a private PostgreSQL for a script: prints its URL, then obeys one order a line on standard input and answers each with one line,
 * until the input ends.
 *
 *     kill      ends one session of the program under test, another one each time; answers how many it ended, 0 or 1
 *     stop      SIGSTOP to the postmaster and every backend
 *     continue  SIGCONT
 *     restart   a crash, and a start
 *     sessions  answers how many sessions the program under test has
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres_client.h"
#include "postgres_server.h"

/* The sessions under test are those that say so in application_name. */
#define THEIRS "from pg_stat_activity where application_name = 'chaos'"

/* One session of the keeper's own, opened anew when the server has ended it. */
static int64_t number(const postgres_server *server, const char *sql) {
    static PGconn *conn;
    int64_t value = -1;
    for (int tries = 2; tries > 0; tries--) {
        if (!conn)
            conn = postgres_open(server, false);
        if (postgres_number(conn, sql, &value))
            return value;
        PQfinish(conn);
        conn = NULL;
    }
    fprintf(stderr, "keeper: cannot ask the server\n");
    return value;
}

static int64_t end_one(const postgres_server *server) {
    return number(server, "select count(pg_terminate_backend(pid)) from (select pid " THEIRS " order by random() limit 1) one");
}

static int64_t obey(postgres_server *server, const char *order) {
    if (strcmp(order, "kill") == 0)
        return end_one(server);
    if (strcmp(order, "sessions") == 0)
        return number(server, "select count(*) " THEIRS);
    if (strcmp(order, "restart") == 0)
        return postgres_server_restart(server);
    if (strcmp(order, "stop") != 0 && strcmp(order, "continue") != 0)
        return -1;
    postgres_server_signal_all(server, order[0] == 's' ? SIGSTOP : SIGCONT);
    return 1;
}

int main(void) {
    static postgres_server server;
    int failure = postgres_server_start(&server);
    if (failure)
        return failure;
    printf("postgresql://%s:%s@/postgres?host=%s&port=%s&application_name=chaos\n", POSTGRES_SERVER_USER, POSTGRES_SERVER_PASSWORD,
           server.directory, server.port);
    fflush(stdout);
    for (char line[64]; fgets(line, sizeof line, stdin);) {
        line[strcspn(line, "\n")] = '\0';
        printf("%lld\n", (long long)obey(&server, line));
        fflush(stdout);
    }
    postgres_server_stop(&server);
    return 0;
}
