/* SPDX-License-Identifier: MIT
 *
 * Atomics, by order. Every atomic of the library goes through these inline functions, so that the order is a word at the place of
 * use and a simulation build can replace them all. A name says the order of the access: relaxed, acquire, release, acq_rel, seq_cst.
 */
#ifndef DBP_OS_ATOMIC_H
#define DBP_OS_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The types are structs so that a plain access does not compile. */
typedef struct dbp_atomic_u32 {
    _Atomic uint32_t raw;
} dbp_atomic_u32;
typedef struct dbp_atomic_u64 {
    _Atomic uint64_t raw;
} dbp_atomic_u64;
typedef struct dbp_atomic_ptr {
    _Atomic(void *) raw;
} dbp_atomic_ptr;

#define DBP_ATOMIC_OPERATIONS(suffix, type)                                                                                   \
    static inline type dbp_load_relaxed_##suffix(const dbp_atomic_##suffix *a) {                                              \
        return atomic_load_explicit(&((dbp_atomic_##suffix *)(uintptr_t)a)->raw, memory_order_relaxed);                       \
    }                                                                                                                         \
    static inline type dbp_load_acquire_##suffix(const dbp_atomic_##suffix *a) {                                              \
        return atomic_load_explicit(&((dbp_atomic_##suffix *)(uintptr_t)a)->raw, memory_order_acquire);                       \
    }                                                                                                                         \
    static inline type dbp_load_seq_cst_##suffix(const dbp_atomic_##suffix *a) {                                              \
        return atomic_load_explicit(&((dbp_atomic_##suffix *)(uintptr_t)a)->raw, memory_order_seq_cst);                       \
    }                                                                                                                         \
    static inline void dbp_store_relaxed_##suffix(dbp_atomic_##suffix *a, type value) {                                       \
        atomic_store_explicit(&a->raw, value, memory_order_relaxed);                                                          \
    }                                                                                                                         \
    static inline void dbp_store_release_##suffix(dbp_atomic_##suffix *a, type value) {                                       \
        atomic_store_explicit(&a->raw, value, memory_order_release);                                                          \
    }                                                                                                                         \
    static inline void dbp_store_seq_cst_##suffix(dbp_atomic_##suffix *a, type value) {                                       \
        atomic_store_explicit(&a->raw, value, memory_order_seq_cst);                                                          \
    }                                                                                                                         \
    static inline type dbp_exchange_acq_rel_##suffix(dbp_atomic_##suffix *a, type value) {                                    \
        return atomic_exchange_explicit(&a->raw, value, memory_order_acq_rel);                                                \
    }                                                                                                                         \
    static inline type dbp_exchange_seq_cst_##suffix(dbp_atomic_##suffix *a, type value) {                                    \
        return atomic_exchange_explicit(&a->raw, value, memory_order_seq_cst);                                                \
    }                                                                                                                         \
    /* On failure `*expected` holds what was found, read with acquire (relaxed for cas_release). */                           \
    static inline bool dbp_cas_acquire_##suffix(dbp_atomic_##suffix *a, type *expected, type value) {                         \
        return atomic_compare_exchange_strong_explicit(&a->raw, expected, value, memory_order_acquire, memory_order_acquire); \
    }                                                                                                                         \
    static inline bool dbp_cas_release_##suffix(dbp_atomic_##suffix *a, type *expected, type value) {                         \
        return atomic_compare_exchange_strong_explicit(&a->raw, expected, value, memory_order_release, memory_order_relaxed); \
    }                                                                                                                         \
    static inline bool dbp_cas_acq_rel_##suffix(dbp_atomic_##suffix *a, type *expected, type value) {                         \
        return atomic_compare_exchange_strong_explicit(&a->raw, expected, value, memory_order_acq_rel, memory_order_acquire); \
    }                                                                                                                         \
    static inline bool dbp_cas_seq_cst_##suffix(dbp_atomic_##suffix *a, type *expected, type value) {                         \
        return atomic_compare_exchange_strong_explicit(&a->raw, expected, value, memory_order_seq_cst, memory_order_seq_cst); \
    }

#define DBP_ATOMIC_ARITHMETIC(suffix, type)                                                    \
    static inline type dbp_add_relaxed_##suffix(dbp_atomic_##suffix *a, type value) {          \
        return atomic_fetch_add_explicit(&a->raw, value, memory_order_relaxed);                \
    }                                                                                          \
    static inline type dbp_sub_acq_rel_##suffix(dbp_atomic_##suffix *a, type value) {          \
        return atomic_fetch_sub_explicit(&a->raw, value, memory_order_acq_rel);                \
    }                                                                                          \
    static inline type dbp_or_seq_cst_##suffix(dbp_atomic_##suffix *a, type value) {           \
        return atomic_fetch_or_explicit(&a->raw, value, memory_order_seq_cst);                 \
    }                                                                                          \
    static inline type dbp_and_release_##suffix(dbp_atomic_##suffix *a, type value) {          \
        return atomic_fetch_and_explicit(&a->raw, value, memory_order_release);                \
    }                                                                                          \
    /* For a counter with one writer at a time: no locked instruction, readers see it late. */ \
    static inline void dbp_bump_##suffix(dbp_atomic_##suffix *a) { dbp_store_relaxed_##suffix(a, dbp_load_relaxed_##suffix(a) + 1); }

DBP_ATOMIC_OPERATIONS(u32, uint32_t)
DBP_ATOMIC_OPERATIONS(u64, uint64_t)
DBP_ATOMIC_OPERATIONS(ptr, void *)
DBP_ATOMIC_ARITHMETIC(u32, uint32_t)
DBP_ATOMIC_ARITHMETIC(u64, uint64_t)

#endif
