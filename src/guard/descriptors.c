/* Closes what a process was not meant to have. */
#include "guard/descriptors.h"
#include "base/sort.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static int
by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static bool
is_kept(int fd, const int *keep, size_t count)
{
	return fd <= STDERR_FILENO || bsearch(&fd, keep, count, sizeof(*keep), by_number) != NULL;
}

/* Where the kernel (before 5.9) or a filter around this process refuses close_range(). */
static bool
close_listed(const int *keep, size_t count)
{
	DIR                 *list = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!list)
		return false;
	/* Closing one does not hide another: the list goes on from the number it was at. */
	while ((entry = readdir(list)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and ".." are 0, which stays */

		if (fd != dirfd(list) && !is_kept(fd, keep, count))
			close(fd);
	}
	closedir(list);
	return true;
}

static bool
close_between(unsigned first, unsigned last)
{
	return first > last || close_range(first, last, 0) == 0;
}

bool
descriptors_keep(int *keep, size_t count)
{
	unsigned next = STDERR_FILENO + 1;
	int      spare[DESCRIPTORS_MAX];

	assert(count <= DESCRIPTORS_MAX);
	sort(keep, count, sizeof(*keep), by_number, spare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)next)
			continue;
		if (!close_between(next, (unsigned)keep[i] - 1))
			return close_listed(keep, count);
		next = (unsigned)keep[i] + 1;
	}
	return close_between(next, UINT_MAX) || close_listed(keep, count);
}
