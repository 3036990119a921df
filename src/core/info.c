/* SPDX-License-Identifier: MIT */
#include "core/info.h"

#include <string.h>

#include "os/memory.h"

struct dbp_info {
    dbp_info *next;
    void *value;
    void (*free_value)(void *);
    char key[];
};

struct dbp_finalizer {
    dbp_finalizer *below;
    void (*fn)(void *native, void *arg);
    void *arg;
};

static void drop(dbp_info *entry) {
    if (entry->free_value)
        entry->free_value(entry->value);
    dbp_memory_free(entry);
}

static dbp_info *make(const char *key, void *value, void (*free_value)(void *)) {
    size_t size = strlen(key) + 1;
    dbp_info *entry = dbp_memory_alloc(sizeof *entry + size);
    if (!entry)
        return NULL;
    entry->value = value;
    entry->free_value = free_value;
    memcpy(entry->key, key, size);
    return entry;
}

dbpool_status dbp_info_set(dbp_info **info, const char *key, void *value, void (*free_value)(void *)) {
    dbp_info *entry = value ? make(key, value, free_value) : NULL;
    if (value && !entry)
        return DBPOOL_ENOMEM;
    dbp_info **link = info;
    while (*link && strcmp((*link)->key, key) != 0)
        link = &(*link)->next;
    dbp_info *old = *link;
    if (old)
        *link = old->next;
    if (entry) {
        entry->next = *info;
        *info = entry;
    }
    if (old)
        drop(old);
    return DBPOOL_OK;
}

void *dbp_info_get(const dbp_info *info, const char *key) {
    for (; info; info = info->next)
        if (strcmp(info->key, key) == 0)
            return info->value;
    return NULL;
}

void dbp_info_clear(dbp_info **info) {
    for (dbp_info *entry; (entry = *info);) {
        *info = entry->next;
        drop(entry);
    }
}

dbpool_status dbp_finalizer_push(dbp_finalizer **stack, void (*fn)(void *native, void *arg), void *arg) {
    dbp_finalizer *finalizer = dbp_memory_alloc(sizeof *finalizer);
    if (!finalizer)
        return DBPOOL_ENOMEM;
    *finalizer = (dbp_finalizer){*stack, fn, arg};
    *stack = finalizer;
    return DBPOOL_OK;
}

void dbp_finalizer_run(dbp_finalizer **stack, void *native) {
    for (dbp_finalizer *finalizer; (finalizer = *stack);) {
        *stack = finalizer->below;
        finalizer->fn(native, finalizer->arg);
        dbp_memory_free(finalizer);
    }
}

void dbp_finalizer_drop(dbp_finalizer **stack) {
    for (dbp_finalizer *finalizer; (finalizer = *stack);) {
        *stack = finalizer->below;
        dbp_memory_free(finalizer);
    }
}

void dbp_extras_free(dbp_extras *extras) {
    if (!extras)
        return;
    dbp_finalizer_drop(&extras->finalizers);
    dbp_info_clear(&extras->info[DBPOOL_SCOPE_CONNECTION]);
    dbp_info_clear(&extras->info[DBPOOL_SCOPE_RECORD]);
    dbp_memory_free(extras);
}
