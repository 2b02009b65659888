/* Memory that processes share. */
#include "shm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int
memory_open(const char *name, size_t bytes)
{
	enum { NOEXEC_SEAL = 8 }; /* Linux 6.3; a system may insist on it */

	int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, (unsigned)flags | NOEXEC_SEAL);

	if (fd == -1 && errno == EINVAL)
		fd = memfd_create(name, (unsigned)flags);
	if (fd != -1 && ftruncate(fd, (off_t)bytes) == 0
	    && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}
