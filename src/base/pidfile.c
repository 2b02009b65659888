/* The file with the process id of a service. */
#include "base/pidfile.h"
#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 10 };

/* 0: it is ours. Otherwise the process that holds it; -1: errno says why there is no lock. */
static pid_t
lock(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &all) == 0)
		return 0;
	if ((errno != EAGAIN && errno != EACCES) || fcntl(fd, F_GETLK, &all) == -1)
		return -1;
	errno = EAGAIN; /* it was let go between the two */
	return all.l_type == F_UNLCK ? -1 : all.l_pid;
}

/* Whether the path still leads to the open file; its last owner may have removed it meanwhile. */
static bool
is_named(struct pidfile *p)
{
	struct stat open_file, named;

	if (fstat(p->fd, &open_file) == -1 || lstat(p->path, &named) == -1
	    || open_file.st_dev != named.st_dev || open_file.st_ino != named.st_ino)
		return false;
	p->dev = open_file.st_dev;
	p->ino = open_file.st_ino;
	return true;
}

static bool
write_pid(int fd)
{
	char text[24];
	int  len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return ftruncate(fd, 0) == 0 && write(fd, text, (size_t)len) == len;
}

static void
forget(struct pidfile *p)
{
	if (p->fd != -1)
		close(p->fd);
	free(p->path);
	*p = (struct pidfile) { .fd = -1 };
}

/* False, and errno, or *holder. EAGAIN: once more. */
static bool
try_once(struct pidfile *p, pid_t *holder)
{
	*holder = 0;
	p->fd = open(p->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0644);
	if (p->fd == -1)
		return false;
	*holder = lock(p->fd);
	if (*holder == 0 && !is_named(p))
		errno = EAGAIN;
	else if (*holder == 0 && write_pid(p->fd))
		return true;
	return false;
}

bool
pidfile_take(struct pidfile *p, const char *path, struct buf *err)
{
	pid_t holder = -1;

	*p = (struct pidfile) { .fd = -1 };
	if (!path[0])
		return true;
	for (int i = 0; i < TRIES; i++) {
		p->path = must_strdup(path);
		if (try_once(p, &holder))
			return true;
		if (holder > 0 || errno != EAGAIN || i + 1 == TRIES)
			break;
		forget(p);
	}
	if (holder > 0)
		buf_fmt(err, "pidfile: %s belongs to the process %d, which is running", path,
		    (int)holder);
	else
		buf_fmt(err, "pidfile: %s: %s", path, strerror(errno));
	forget(p);
	p->holder = holder > 0 ? holder : 0;
	return false;
}

void
pidfile_give(const struct pidfile *p, uid_t uid, gid_t gid)
{
	if (p->fd != -1 && fchown(p->fd, uid, gid) == -1)
		return; /* an upgrade will say that it cannot take it */
}

bool
pidfile_release(struct pidfile *p)
{
	struct stat st;
	bool        removed = true;
	int         saved;

	if (p->fd != -1 && lstat(p->path, &st) == 0 && st.st_dev == p->dev && st.st_ino == p->ino)
		removed = unlink(p->path) == 0;
	saved = errno;
	forget(p);
	errno = saved;
	return removed;
}
