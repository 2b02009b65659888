/* Processors that may be used. */
#include "master/cpus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const char groups[] = "/sys/fs/cgroup";

unsigned
cpus_of_quota(struct str text)
{
	struct str period = str_cut(&text, '\n');
	struct str quota = str_cut(&period, ' ');
	int64_t    q, p;

	if (!str_to_i64(quota, 1, INT64_MAX / 2, &q) || !str_to_i64(period, 1, INT64_MAX / 2, &p))
		return 0;
	q = (q + p - 1) / p;
	return q < UINT16_MAX ? (unsigned)q : UINT16_MAX;
}

/* The beginning of a small file, with a NUL; empty when it cannot be read. */
static void
read_file(const char *path, char *out, size_t size)
{
	int     fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd == -1 ? -1 : read(fd, out, size - 1);

	out[len > 0 ? len : 0] = '\0';
	if (fd != -1)
		close(fd);
}

/* The tightest quota of the own group and those above it; 0: none. */
static unsigned
quota(void)
{
	char     text[PATH_BYTES], path[PATH_BYTES + 32], quota_text[64];
	char    *group, *slash;
	unsigned least = 0;

	read_file("/proc/self/cgroup", text, sizeof(text));
	group = strstr(text, "0::/"); /* version 2; there is one such line */
	if (!group)
		return 0;
	group += strlen("0::");
	group[strcspn(group, "\n")] = '\0';
	for (;;) {
		unsigned n;

		snprintf(path, sizeof(path), "%s%s/cpu.max", groups, group);
		read_file(path, quota_text, sizeof(quota_text));
		n = cpus_of_quota(str_of(quota_text));
		if (n != 0 && (least == 0 || n < least))
			least = n;
		slash = strrchr(group, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

struct cpus
cpus_usable(void)
{
	struct cpus c = { .count = 1 };
	unsigned    granted = quota();
	cpu_set_t   set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		c.count = (unsigned)CPU_COUNT(&set);
	if (granted != 0 && granted < c.count)
		c = (struct cpus) { .count = granted, .quota = true };
	return c;
}
