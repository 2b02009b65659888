/* The allocator of the whole process, libraries included, which fails on demand. */
#include "memory.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct {
	atomic_uint armed, fails, count;
	atomic_long live;
} *shared;

static bool joined;

void
memory_init(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
}

void
memory_join(void)
{
	atomic_store(&shared->live, 0);
	joined = true;
}

void
memory_arm(unsigned n)
{
	atomic_store(&shared->count, 0);
	atomic_store(&shared->fails, n);
	atomic_store(&shared->armed, 1);
}

unsigned
memory_disarm(void)
{
	atomic_store(&shared->armed, 0);
	return atomic_load(&shared->count);
}

long
memory_live(void)
{
	return atomic_load(&shared->live);
}

#if defined(__SANITIZE_ADDRESS__)
#define OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR 1
#endif

bool
memory_can_fail(void)
{
	return OWN_ALLOCATOR;
}

#if OWN_ALLOCATOR
/* glibc's own, under names that nobody replaces. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void  __libc_free(void *p);

static bool
fails(void)
{
	if (!joined || !atomic_load(&shared->armed) || atomic_fetch_add(&shared->count, 1) + 1 != atomic_load(&shared->fails))
		return false;
	errno = ENOMEM;
	return true;
}

static void *
counted(void *p)
{
	if (joined && p)
		atomic_fetch_add(&shared->live, 1);
	return p;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : counted(__libc_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__libc_calloc(n, size));
}

void *
realloc(void *old, size_t size)
{
	if (fails())
		return NULL;
	return old ? __libc_realloc(old, size) : counted(__libc_realloc(NULL, size));
}

void *
memalign(size_t align, size_t size)
{
	return fails() ? NULL : counted(__libc_memalign(align, size));
}

void *
aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

int
posix_memalign(void **out, size_t align, size_t size)
{
	void *p = memalign(align, size);

	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void
free(void *p)
{
	if (joined && p)
		atomic_fetch_sub(&shared->live, 1);
	__libc_free(p);
}
#endif
