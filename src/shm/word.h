/*
 * A word in memory that several processes read: a figure, a state, a moment.
 *
 * Order      None: each word stands for itself, so relaxed access is enough and costs no more than
 *            a plain one. What has to be seen together says so where it is (stats.c, buckets.c).
 */
#ifndef SHM_WORD_H
#define SHM_WORD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define word_get(word)        atomic_load_explicit((word), memory_order_relaxed)
#define word_set(word, value) atomic_store_explicit((word), (value), memory_order_relaxed)

/* For the only process that writes it; the others use atomic_fetch_add(). */
#define word_add(word, n) word_set((word), word_get(word) + (n))

/*
 * Of words that stand together. What several processes wrote at once, or one that died, is a
 * mixture: it has no seal, and is as if it were not there.
 */
static inline uint64_t
word_seal(const uint64_t *word, size_t n)
{
	uint64_t seal = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < n; i++) {
		seal = (seal ^ word[i]) * UINT64_C(0xff51afd7ed558ccd);
		seal ^= seal >> 32;
	}
	return seal;
}

#endif
