/* SPDX-License-Identifier: MIT
 *
 * What an SQLSTATE says about the connection and the pool: the one place where that is decided.
 *
 * LOST   this session is over.
 * STALE  so is every other session of the pool. Set only where the server cannot mean anything less: a wrong one costs every connection,
 * and a missing one
 *        costs little, because the look finds closed sockets without a round trip.
 * RETRY  the same work may succeed later, on this or a new connection, with nothing changed.
 */
#include <string.h>

#include "drivers/postgresql/error.h"

#define LOST DBPOOL_ERROR_CONNECTION_LOST
#define STALE DBPOOL_ERROR_POOL_STALE
#define RETRY DBPOOL_ERROR_RETRYABLE

/* A code of five characters is meant alone, one of two is the rest of its class. The first that fits counts. */
static const struct row {
    const char *code;
    uint32_t flags;
} rows[] = {
  /* Connection exceptions. */
    {"08P01", LOST                }, /* protocol violation: server and client no longer agree on where messages begin */
    {"08004", 0                   }, /* the server rejected the connection on purpose */
    {"08",    LOST | RETRY        }, /* the rest: no connection, failure in its midst */
  /* Operator intervention. */
    {"57014", 0                   }, /* query canceled, also by statement_timeout: the session goes on */
    {"57P01",
     LOST |
         RETRY                    }, /* admin shutdown: of the server, or of this one session by pg_terminate_backend, and it does not say which: not STALE */
    {"57P02", LOST | STALE | RETRY}, /* crash shutdown: another backend crashed and the server throws out all sessions */
    {"57P03",
     RETRY                        }, /* cannot connect now: answers an opening only; with several hosts, older sessions may well live elsewhere: not STALE */
    {"57P04", LOST | STALE        }, /* the database was dropped: all connections of the pool are to it, and no new one will succeed */
    {"57P05", LOST | RETRY        }, /* idle_session_timeout: each session has its own clock */
  /* Transaction state. */
    {"25P03", LOST | RETRY        }, /* idle_in_transaction_session_timeout */
    {"25P04", LOST | RETRY        }, /* transaction_timeout (17) */
    {"40001", RETRY               }, /* serialization failure */
    {"40P01", RETRY               }, /* deadlock detected */
    {"55P03", RETRY               }, /* lock not available */
    {"55006", RETRY               }, /* object in use */
  /* Resources: what is short now may not be later. 53300, too many connections, is the usual one at an opening. */
    {"53",    RETRY               },
 /* Who one is and what one asks for: the same call will fail the same way. */
    {"28",    0                   }, /* authentication */
    {"3D",    0                   }, /* no such database */
    {"42",    0                   }, /* syntax, rights, names */
    {"25006", 0                   }, /* a write in a read-only transaction; dbp_pg_error looks closer, for a primary that became a standby */
};

uint32_t dbp_pg_sqlstate_flags(const char *sqlstate) {
    if (strlen(sqlstate) != 5)
        return 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncmp(rows[i].code, sqlstate, strlen(rows[i].code)) == 0)
            return rows[i].flags;
    return 0;
}
