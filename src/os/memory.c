/* SPDX-License-Identifier: MIT */
#include "os/memory.h"

#include <stdlib.h>
#include <string.h>

bool (*dbp_memory_hook)(size_t size) = NULL;

static bool refused(size_t size) { return dbp_memory_hook && !dbp_memory_hook(size); }

void *dbp_memory_alloc(size_t size) { return refused(size) ? NULL : calloc(1, size); }

void *dbp_memory_alloc_lines(size_t size) {
    size_t rounded = (size + 63) & ~(size_t)63;
    void *memory = refused(size) ? NULL : aligned_alloc(64, rounded);
    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

void *dbp_memory_resize(void *memory, size_t size) { return refused(size) ? NULL : realloc(memory, size); }

char *dbp_memory_copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = dbp_memory_alloc(size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void dbp_memory_free(void *memory) { free(memory); }

void dbp_memory_free_secret(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}
