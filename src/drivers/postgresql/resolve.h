/* SPDX-License-Identifier: MIT
 *
 * From the hosts that libpq would try to the addresses that we try, one after the other.
 */
#ifndef DBP_POSTGRESQL_RESOLVE_H
#define DBP_POSTGRESQL_RESOLVE_H

#include "drivers/postgresql/config.h"

/* What is asked of the network, with environment, service file and libpq's defaults taken in. NULL or empty: not given. */
struct dbp_pg_route {
    char *host, *hostaddr, *port; /* comma-separated lists */
    char *session;                /* target_session_attrs */
    char *connect_timeout;        /* seconds, for each address */
    char *balance;                /* load_balance_hosts (libpq 16) */
    const char *default_port;
};

/* One address. A NULL is not given to libpq. */
struct dbp_pg_target {
    char *host;     /* the name, for TLS and the password file; or a socket's directory */
    char *hostaddr; /* the numeric address; NULL for a socket */
    char *port;
    uint64_t order; /* for load_balance_hosts=random */
};

struct dbp_pg_targets {
    struct dbp_pg_target *at;
    size_t count, capacity;
};

/* Whether every host of a list is a directory of sockets: nothing to look up, nobody to wait for but the server. */
bool dbp_pg_is_local(const char *hosts);

/* Looks up every host and appends its addresses in their order; a host that is not found is left out, unless no other is. Blocks for as
 * long as the system's resolver does: for a helper thread, when dbp_pg_is_local says no. The caller frees `targets` in either case. */
dbpool_status dbp_pg_resolve(const struct dbp_pg_route *route, struct dbp_pg_targets *targets, dbpool_error *err);

void dbp_pg_targets_free(struct dbp_pg_targets *targets);

#endif
