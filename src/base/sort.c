/* Merge sort, from the bottom up: the runs that are merged are twice as long each time. */
#include "base/sort.h"

#include <string.h>

struct run {
	const char *at, *end;
};

static void
merge(struct run a, struct run b, size_t size, int (*order)(const void *, const void *), char *to)
{
	while (a.at < a.end || b.at < b.end) {
		bool        first = b.at == b.end || (a.at < a.end && order(a.at, b.at) <= 0);
		struct run *from = first ? &a : &b;

		memcpy(to, from->at, size);
		from->at += size;
		to += size;
	}
}

void
sort(void *elements, size_t count, size_t size, int (*order)(const void *a, const void *b),
    void *spare)
{
	char *from = elements, *to = spare;

	for (size_t length = 1; length < count; length *= 2) {
		char *swap = from;

		for (size_t i = 0; i < count; i += 2 * length) {
			size_t middle = i + length < count ? i + length : count;
			size_t end = middle + length < count ? middle + length : count;
			struct run a = { from + i * size, from + middle * size };
			struct run b = { from + middle * size, from + end * size };

			merge(a, b, size, order, to + i * size);
		}
		from = to;
		to = swap;
	}
	if (from != elements)
		memcpy(elements, from, count * size);
}
