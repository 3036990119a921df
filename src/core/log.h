/* SPDX-License-Identifier: MIT
 *
 * Log lines. A pool follows its own level or, with none, the process-wide one; each is turned into one word of the pool, so that logging
 * that is off costs one predictable branch.
 */
#ifndef DBP_CORE_LOG_H
#define DBP_CORE_LOG_H

#include <dbpool/dbpool.h>

/* Hands a line to the pool's sink if the pool's level asks for it. Text from a server or a user is escaped; the line is cut at 1 KiB. */
void dbp_log(dbpool *pool, dbpool_log_level level, const char *format, ...) DBPOOL_PRINTF(3, 4);

/* The level of the process-wide sink. */
dbpool_log_level dbp_log_process_level(void);

#endif
