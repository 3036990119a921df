/* SPDX-License-Identifier: MIT
 *
 * What a server says beside its answers. Nothing of it is ever printed; while the pool itself has the connection it is listened to.
 */
#ifndef DBP_POSTGRESQL_NOTICES_H
#define DBP_POSTGRESQL_NOTICES_H

#include <stdbool.h>

#include "drivers/postgresql/calls.h"

struct dbp_pg_heard {
    bool unasked;     /* something that nobody had asked for: an error, or messages that libpq dropped */
    char sqlstate[6]; /* of the farewell of a server that goes down, or empty */
};

/* Learns libpq's own receiver from a connection that nobody else has had. */
void dbp_pg_notices_learn(PGconn *fresh);

/* Sets back what a holder may have set: libpq's own receiver, and a notice processor that does nothing. At an opening, and at each return.
 * */
void dbp_pg_notices_silence(PGconn *conn);

/* Listens from here on, into `heard`, until dbp_pg_notices_silence. */
void dbp_pg_notices_hear(PGconn *conn, struct dbp_pg_heard *heard);

#endif
