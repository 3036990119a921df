/* SPDX-License-Identifier: MIT
 *
 * Host lists made address lists. libpq would look names up inside PQconnectPoll, without a deadline; so it is done here, and libpq gets
 * `hostaddr`. Messages count the hosts instead of naming them: a URL whose password holds an unescaped character ends up with a part of it
 * as host.
 */
#include "drivers/postgresql/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "os/memory.h"

static const char action[] = "open connection";

static bool given(const char *text) { return text && *text; }

static bool is_socket(const char *host) { return host[0] == '/' || host[0] == '@'; }

static size_t length_of(const char *item) { return strcspn(item, ","); }

static size_t count_of(const char *list) {
    size_t count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* The item of a list; of a list with one item always that one. Empty when there is none. */
static const char *item_at(const char *list, size_t index) {
    if (!given(list))
        return "";
    for (size_t i = count_of(list) > 1 ? index : 0; i > 0; i--)
        list += length_of(list) + 1;
    return list;
}

/* A copy of an item, or NULL if it is empty. False when there is no memory. */
static bool copy_item(const char *item, char **copy_out) {
    size_t length = length_of(item);
    *copy_out = length ? dbp_memory_alloc(length + 1) : NULL;
    if (*copy_out)
        memcpy(*copy_out, item, length);
    return *copy_out || !length;
}

bool dbp_pg_is_local(const char *hosts) {
    for (size_t i = 0, count = given(hosts) ? count_of(hosts) : 0; i < count; i++) {
        const char *item = item_at(hosts, i);
        if (length_of(item) > 0 && !is_socket(item))
            return false;
    }
    return true;
}

static struct dbp_pg_target *append(struct dbp_pg_targets *targets) {
    if (targets->count == targets->capacity) {
        size_t capacity = targets->capacity ? 2 * targets->capacity : 4;
        void *at = dbp_memory_resize(targets->at, capacity * sizeof *targets->at);
        if (!at)
            return NULL;
        targets->at = at;
        targets->capacity = capacity;
    }
    struct dbp_pg_target *target = &targets->at[targets->count++];
    memset(target, 0, sizeof *target);
    return target;
}

/* One target for the host at `index`, with `address` if it is not empty. */
static bool add(struct dbp_pg_targets *targets, const struct dbp_pg_route *route, size_t index, const char *address) {
    const char *port = item_at(route->port, index);
    struct dbp_pg_target *target = append(targets);
    return target && copy_item(item_at(route->host, index), &target->host) && copy_item(address, &target->hostaddr) &&
           copy_item(length_of(port) ? port : route->default_port, &target->port);
}

static dbpool_status add_found(struct dbp_pg_targets *targets, const struct dbp_pg_route *route, size_t index, const struct addrinfo *found,
                               dbpool_error *err) {
    for (; found; found = found->ai_next) {
        char address[NI_MAXHOST];
        if (dbp_pg->getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        if (!add(targets, route, index, address))
            return dbp_error_nomem(err, action);
    }
    return DBPOOL_OK;
}

static dbpool_status look_up(struct dbp_pg_targets *targets, const struct dbp_pg_route *route, size_t index, dbpool_error *not_found,
                             dbpool_error *err) {
    char *host;
    if (!copy_item(item_at(route->host, index), &host))
        return dbp_error_nomem(err, action);
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int failure = dbp_pg->getaddrinfo(host, NULL, &hints, &found);
    dbp_memory_free(host);
    if (failure) {
        uint32_t flags = failure == EAI_AGAIN || failure == EAI_SYSTEM || failure == EAI_MEMORY ? DBPOOL_ERROR_RETRYABLE : 0;
        dbp_error_set_native(not_found, DBPOOL_ECONNECT, flags, failure, "%s: looking up host %zu of %zu: %s", action, index + 1,
                             count_of(route->host), gai_strerror(failure));
        return DBPOOL_OK;
    }
    dbpool_status status = add_found(targets, route, index, found, err);
    dbp_pg->freeaddrinfo(found);
    return status;
}

static dbpool_status add_host(struct dbp_pg_targets *targets, const struct dbp_pg_route *route, size_t index, dbpool_error *not_found,
                              dbpool_error *err) {
    const char *host = item_at(route->host, index), *address = item_at(route->hostaddr, index);
    if (length_of(address) == 0 && length_of(host) > 0 && !is_socket(host))
        return look_up(targets, route, index, not_found, err);
    return add(targets, route, index, address) ? DBPOOL_OK : dbp_error_nomem(err, action);
}

static int by_order(const void *a, const void *b) {
    uint64_t left = ((const struct dbp_pg_target *)a)->order, right = ((const struct dbp_pg_target *)b)->order;
    return left < right ? -1 : left > right;
}

/* The order of load_balance_hosts=random: hosts by chance, and by chance the addresses of each, which stay together. */
static void give_order(struct dbp_pg_targets *targets, size_t first) {
    uint32_t chance[2] = {0, 0};
    for (size_t i = first; i < targets->count; i++) {
        if (getrandom(i == first ? &chance[0] : &chance[1], sizeof chance[0], GRND_NONBLOCK) < 0)
            return;
        targets->at[i].order = (uint64_t)chance[0] << 32 | chance[1];
    }
}

static dbpool_status check_counts(const struct dbp_pg_route *route, size_t count, dbpool_error *err) {
    if (given(route->host) && count_of(route->host) != count)
        return dbp_error_set(err, DBPOOL_ECONNECT, "%s: %zu hosts, but %zu host addresses", action, count_of(route->host), count);
    if (given(route->port) && count_of(route->port) != 1 && count_of(route->port) != count)
        return dbp_error_set(err, DBPOOL_ECONNECT, "%s: %zu hosts, but %zu ports", action, count, count_of(route->port));
    return DBPOOL_OK;
}

dbpool_status dbp_pg_resolve(const struct dbp_pg_route *route, struct dbp_pg_targets *targets, dbpool_error *err) {
    const char *list = given(route->hostaddr) ? route->hostaddr : route->host;
    size_t count = given(list) ? count_of(list) : 1;
    dbpool_error not_found;
    dbp_error_set(&not_found, DBPOOL_ECONNECT, "%s: the host has no address", action);
    dbpool_status status = check_counts(route, count, err);
    bool random = given(route->balance) && strcmp(route->balance, "random") == 0;
    for (size_t i = 0; i < count && status == DBPOOL_OK; i++) {
        size_t first = targets->count;
        status = add_host(targets, route, i, &not_found, err);
        if (random)
            give_order(targets, first);
    }
    if (random && targets->count)
        qsort(targets->at, targets->count, sizeof *targets->at, by_order);
    return status == DBPOOL_OK && targets->count == 0 ? dbp_error_pass(err, &not_found) : status;
}

void dbp_pg_targets_free(struct dbp_pg_targets *targets) {
    for (size_t i = 0; i < targets->count; i++) {
        dbp_memory_free(targets->at[i].host);
        dbp_memory_free(targets->at[i].hostaddr);
        dbp_memory_free(targets->at[i].port);
    }
    dbp_memory_free(targets->at);
    *targets = (struct dbp_pg_targets){NULL, 0, 0};
}
