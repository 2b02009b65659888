/*
 * Sorting in the caller's memory. libc's qsort() asks the kernel how much memory there is, as soon
 * as it has a kilobyte to sort, and a worker's sandbox forbids that call (guard/sandbox.c).
 *
 * Order      Stable.
 * Cost       At most count * log2(count) comparisons, whatever the input.
 */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include "base/base.h"

/*
 * Sorts count elements of size bytes each. spare has room for as many; what is left in it means
 * nothing.
 */
void sort(void *elements, size_t count, size_t size, int (*order)(const void *a, const void *b),
    void *spare);

#endif
