/* SPDX-License-Identifier: MIT
 *
 * Every allocation that the library itself makes. A test can make the k-th one fail.
 */
#ifndef DBP_OS_MEMORY_H
#define DBP_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* When set (by a test), asked before each allocation; false makes it fail. May be called by several threads at once. */
extern bool (*dbp_memory_hook)(size_t size);

/* Zeroed memory, or NULL. Freed with dbp_memory_free. */
void *dbp_memory_alloc(size_t size);
/* The same, aligned to a cache line of 64 bytes; `size` is rounded up. */
void *dbp_memory_alloc_lines(size_t size);
/* As realloc, through the hook. */
void *dbp_memory_resize(void *memory, size_t size);
char *dbp_memory_copy_text(const char *text);
void dbp_memory_free(void *memory);

/* Overwrites before freeing: for what may hold a secret. `text` may be NULL. */
void dbp_memory_free_secret(char *text);

#endif
