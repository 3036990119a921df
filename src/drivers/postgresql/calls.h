/* SPDX-License-Identifier: MIT
 *
 * Everything that the PostgreSQL driver calls of libpq, and of the system where it can fail or wait, stands in one table. Tests put a table
 * of their own in its place. Nothing else in this directory calls libpq by name.
 */
#ifndef DBP_POSTGRESQL_CALLS_H
#define DBP_POSTGRESQL_CALLS_H

#include <libpq-fe.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DBP_PG_CALLS(X)            \
    /* opening */                  \
    X(PQconninfoParse)             \
    X(PQconninfo)                  \
    X(PQconninfoFree)              \
    X(PQconnectStartParams)        \
    X(PQconnectPoll)               \
    X(getaddrinfo)                 \
    X(freeaddrinfo)                \
    X(getnameinfo)                 \
    /* asking libpq */             \
    X(PQstatus)                    \
    X(PQtransactionStatus)         \
    X(PQpipelineStatus)            \
    X(PQsocket)                    \
    X(PQisnonblocking)             \
    X(PQparameterStatus)           \
    X(PQpass)                      \
    X(PQerrorMessage)              \
    X(PQsslInUse)                  \
    X(PQsslAttribute)              \
    X(PQgssEncInUse)               \
    /* setting libpq */            \
    X(PQsetnonblocking)            \
    X(PQsetErrorVerbosity)         \
    X(PQsetErrorContextVisibility) \
    X(PQsetNoticeProcessor)        \
    X(PQsetNoticeReceiver)         \
    X(PQuntrace)                   \
    /* speaking with the server */ \
    X(PQsendQuery)                 \
    X(PQflush)                     \
    X(PQconsumeInput)              \
    X(PQisBusy)                    \
    X(PQgetResult)                 \
    X(PQnotifies)                  \
    X(PQfreemem)                   \
    X(PQfinish)                    \
    X(poll)                        \
    X(shutdown)                    \
    X(close)                       \
    /* reading results */          \
    X(PQresultStatus)              \
    X(PQresultErrorField)          \
    X(PQresultErrorMessage)        \
    X(PQntuples)                   \
    X(PQnfields)                   \
    X(PQgetvalue)                  \
    X(PQclear)

struct dbp_pg_calls {
#define DBP_PG_CALL_FIELD(name) __typeof__(&name) name;
    DBP_PG_CALLS(DBP_PG_CALL_FIELD)
#undef DBP_PG_CALL_FIELD
};

/* The real ones. */
extern const struct dbp_pg_calls dbp_pg_libpq;

/* The table in use: &dbp_pg_libpq, unless a test has set another before the first call. */
extern const struct dbp_pg_calls *dbp_pg;

#endif
