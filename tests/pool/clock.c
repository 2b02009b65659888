/*
 * A wall clock that a test sets, preloaded into the service: CLOCK_FILE holds an int64_t, the milliseconds by which it is
 * wrong. The file stays mapped in every child.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *wrong_ms;

static void __attribute__((constructor))
begin(void)
{
	int fd = open(getenv("CLOCK_FILE"), O_RDONLY | O_CLOEXEC);

	wrong_ms = mmap(NULL, sizeof(*wrong_ms), PROT_READ, MAP_SHARED, fd, 0);
	if (wrong_ms == MAP_FAILED)
		abort();
	close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int failed = (int)syscall(SYS_clock_gettime, id, ts);

	/* Other libraries begin before this one. */
	if (failed == 0 && id == CLOCK_REALTIME && wrong_ms)
		ts->tv_sec += *wrong_ms / 1000;
	return failed;
}
