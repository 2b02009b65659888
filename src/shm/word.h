/*
 * A word in memory that several processes read: a figure, a state, a moment.
 *
 * Order      None: each word stands for itself, so relaxed access is enough and costs no more than
 *            a plain one. What has to be seen together says so where it is (stats.c, buckets.c).
 */
#ifndef SHM_WORD_H
#define SHM_WORD_H

#include <stdatomic.h>

#define word_get(word)        atomic_load_explicit((word), memory_order_relaxed)
#define word_set(word, value) atomic_store_explicit((word), (value), memory_order_relaxed)

/* For the only process that writes it; the others use atomic_fetch_add(). */
#define word_add(word, n) word_set((word), word_get(word) + (n))

#endif
