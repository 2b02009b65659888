/* Memory that lives exactly as long as one request. */
#include "base/arena.h"
#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK_EACH 1
#endif
#endif
#ifndef ONE_BLOCK_EACH
#define ONE_BLOCK_EACH 0
#endif

struct arena_block {
	struct arena_block *next;
	size_t              used, size;
	_Alignas(max_align_t) char data[];
};

struct arena_child {
	struct arena_child *next;
	void (*end)(void *what);
	void *what;
};

void
out_of_memory(void)
{
	static const char text[] = "clientele: out of memory\n";

	/* Nothing that allocates may run here, so neither log nor stdio. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1)
		_exit(EXIT_DEFECT);
	_exit(EXIT_DEFECT);
}

void *
must_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
must_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

char *
must_strdup(const char *z)
{
	char *copy = strdup(z);

	if (!copy)
		out_of_memory();
	return copy;
}

static struct arena_block *
block_new(size_t size)
{
	struct arena_block *b = malloc(sizeof(*b) + size);

	if (!b)
		out_of_memory();
	*b = (struct arena_block) { .size = size };
	return b;
}

void
arena_init(struct arena *a)
{
	*a = (struct arena) { 0 };
	a->first = a->last = block_new(ONE_BLOCK_EACH ? 0 : ARENA_KEEP_BYTES);
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b = a->first->next;

	for (struct arena_child *child = a->children; child; child = child->next)
		child->end(child->what);
	a->children = NULL;
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
	a->first->next = NULL;
	a->first->used = 0;
	a->last = a->first;
	a->bytes = 0;
}

void
arena_fini(struct arena *a)
{
	arena_reset(a);
	free(a->first);
	*a = (struct arena) { 0 };
}

void *
arena_alloc(struct arena *a, size_t size, size_t align, size_t count)
{
	struct arena_block *b = a->last;
	size_t              total, at;
	void               *p;

	if (__builtin_mul_overflow(size, count, &total) || total > SIZE_MAX / 2)
		out_of_memory();
	at = (b->used + align - 1) & ~(align - 1);
	if (ONE_BLOCK_EACH || at > b->size || total > b->size - at) {
		size_t grown = b->size * 2;

		b = block_new(ONE_BLOCK_EACH || total > grown ? total : grown);
		a->last->next = b;
		a->last = b;
		at = 0;
	}
	b->used = at + total;
	a->bytes += total;
	p = b->data + at;
	return memset(p, 0, total);
}

void
arena_adopt(struct arena *a, void (*end)(void *what), void *what)
{
	struct arena_child *child = ARENA_NEW(a, struct arena_child, 1);

	*child = (struct arena_child) { a->children, end, what };
	a->children = child;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p;

	if (!s.ptr)
		return s;
	p = ARENA_NEW(a, char, s.len + 1);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	return (struct str) { p, s.len };
}

struct str
arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int     n;
	char   *p;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return STR("");
	p = ARENA_NEW(a, char, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct str) { p, (size_t)n };
}
