/*
 * Memory that lives exactly as long as one request.
 *
 * Ownership  The arena owns every block it hands out, and what it is given by
 *            arena_adopt(). Nothing is freed alone; arena_reset() ends them all.
 *            Pointers do not outlive it.
 * Errors     None are returned: input is bounded before it is stored, so a
 *            failing malloc is the machine's fault and ends the process
 *            (EXIT_DEFECT; the supervisor starts another worker).
 * Memory     The first block (ARENA_KEEP_BYTES) is kept over a reset, larger
 *            ones go back to the system. Under AddressSanitizer each block is
 *            a malloc of its own, so that overruns are seen.
 * Threads    One arena, one thread.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"
#include "base/str.h"

struct arena {
	struct arena_block *first; /* kept */
	struct arena_block *last;  /* where the next allocation comes from */
	size_t              bytes; /* handed out since the last reset */
	struct arena_child *children;
};

void arena_init(struct arena *a);
void arena_reset(struct arena *a);
void arena_fini(struct arena *a);

/* Zeroed; size * count is checked for overflow. Use ARENA_NEW. */
void *arena_alloc(struct arena *a, size_t size, size_t align, size_t count);

#define ARENA_NEW(a, type, count) ((type *)arena_alloc((a), sizeof(type), _Alignof(type), (count)))

/* Calls end(what) at the next reset, the last one given first. */
void arena_adopt(struct arena *a, void (*end)(void *what), void *what);

/* A copy that ends in NUL; the NUL is not counted. An absent view stays absent. */
struct str arena_str(struct arena *a, struct str s);

/* printf into the arena. */
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

/* Says so on stderr and ends the process with EXIT_DEFECT, without allocating anything. */
NORETURN void out_of_memory(void);

/* malloc, realloc and friends that end the process instead of failing. */
void *must_alloc(size_t size);
void *must_realloc(void *old, size_t size);
char *must_strdup(const char *z);

#endif
