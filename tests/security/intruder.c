/*
 * Foreign code inside a worker, or inside the clerk. It is preloaded, so that the program is the shipped one. When the
 * worker takes a connection for /intrude/NAME, the call of that name is made and its outcome written to standard error.
 * The clerk takes nothing from anybody: it finds "PID NAME" in a page that all processes have mapped, and looks there
 * whenever it waits.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

static char *const nothing[] = { NULL };
/* Stands for path() in an argument. */
#define PATH_MARK 0x7a7a7a7a

/* What a test puts into the environment: a file, and a port of this host. */
static const char *
path(void)
{
	return getenv("INTRUDER_PATH");
}

static long
open_as_log(void)
{
	return open(path(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
}

static long
connect_to(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)atoi(port)) };
	int                fd = socket(AF_INET, SOCK_STREAM, 0);
	long               result = fd == -1 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return result;
}

static long
connect_elsewhere(void)
{
	return connect_to(getenv("INTRUDER_PORT"));
}

static void *
do_nothing(void *arg)
{
	return arg;
}

static long
make_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0 ? 0 : -1;
}

static long
catch_refusals(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static long
fill_up(void)
{
	return ftruncate(STDIN_FILENO, 0);
}

/* ---- the listening socket, which all workers share, and the pipe that wakes the supervisor */

enum { PIPES_BYTES = 200 * 1024 };

static int listening = -1;

static long
stop_listening(void)
{
	return shutdown(listening, SHUT_RDWR);
}

/* The kernel takes the low half for the descriptor. */
static long
stop_listening_in_disguise(void)
{
	return syscall(SYS_shutdown, listening | 1L << 32, SHUT_RDWR);
}

static long
stop_listening_otherwise(void)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(listening, &none, sizeof(none));
}

static long
let_others_wait(void)
{
	return fcntl(listening, F_SETFL, 0);
}

static long
take_nothing_any_more(void)
{
	const int one = 1;

	return setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
}

/* Pieces of numbers, more than a pipe holds. */
static long
wake_with_nonsense(void)
{
	struct stat st;
	long        written = 0;

	for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
		while (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY
		    && written < PIPES_BYTES && write(fd, "abc", 3) == 3)
			written += 3;
	errno = EBADF;
	return written > 0 ? 0 : -1;
}

/* ---- memory that the service shares: what the supervisor mapped before it forked this worker */

enum { SHARED_MAX = 8 };

static struct {
	unsigned char *at;
	size_t         bytes;
	int            fd; /* the scoreboard has one */
} shared[SHARED_MAX];

void *
mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	void *at = (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);

	for (size_t i = 0; at != MAP_FAILED && (flags & MAP_SHARED) && (protection & PROT_WRITE) && i < SHARED_MAX; i++)
		if (!shared[i].at) {
			shared[i].at = at;
			shared[i].bytes = bytes;
			shared[i].fd = fd;
			break;
		}
	return at;
}

/* Writes to the first byte of the scoreboard, which is the supervisor's, or to the last one, which is the last worker's. */
static long
touch_board(int last)
{
	for (size_t i = 0; i < SHARED_MAX; i++)
		if (shared[i].at && shared[i].fd != -1) {
			shared[i].at[last ? shared[i].bytes - 1 : 0]++;
			return 0;
		}
	errno = ENOENT;
	return -1;
}

static long
touch_supervisor(void)
{
	return touch_board(0);
}

static long
touch_neighbour(void)
{
	return touch_board(1);
}

/* The kernel says where it can write, without a signal. */
static int
can_write(unsigned char *page)
{
	return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, page) == 0;
}

/* Writes to each page of it that can be written from here, each time something else, until the process ends. */
static void *
keep_scribbling(void *arg)
{
	const size_t    page = (size_t)sysconf(_SC_PAGESIZE);
	struct timespec pause = { .tv_nsec = 1000000 };
	unsigned        random = 1;

	for (unsigned turn = 0;; turn++) {
		for (size_t i = 0; i < SHARED_MAX && shared[i].at; i++)
			for (size_t at = 0; at < shared[i].bytes; at += page) {
				static const unsigned char patterns[] = { 0x00, 0xff, 0x7f, 0x80, 0x01, 0x1b };

				if (!can_write(shared[i].at + at))
					continue;
				if (turn % 8 < COUNTOF(patterns))
					memset(shared[i].at + at, patterns[turn % 8], page);
				else
					for (size_t b = 0; b < page; b++)
						shared[i].at[at + b] = (unsigned char)((random = random * 1103515245 + 12345) >> 16);
			}
		nanosleep(&pause, NULL);
	}
	return arg;
}

static long
scribble(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, keep_scribbling, NULL) == 0 ? 0 : -1;
}

static const struct {
	const char *name;
	long (*function)(void); /* or the call itself */
	long number, argument[6];
} acts[] = {
	{ "nothing", make_thread, 0, { 0 } },
	{ "open-as-log", open_as_log, 0, { 0 } },
	{ "connect-elsewhere", connect_elsewhere, 0, { 0 } },
	{ "catch-refusals", catch_refusals, 0, { 0 } },
	{ "truncate", fill_up, 0, { 0 } },
	{ "stop-listening", stop_listening, 0, { 0 } },
	{ "stop-listening-in-disguise", stop_listening_in_disguise, 0, { 0 } },
	{ "stop-listening-otherwise", stop_listening_otherwise, 0, { 0 } },
	{ "let-others-wait", let_others_wait, 0, { 0 } },
	{ "take-nothing", take_nothing_any_more, 0, { 0 } },
	{ "wake-with-nonsense", wake_with_nonsense, 0, { 0 } },
	{ "touch-supervisor", touch_supervisor, 0, { 0 } },
	{ "touch-neighbour", touch_neighbour, 0, { 0 } },
	{ "scribble", scribble, 0, { 0 } },
#define PATH PATH_MARK
	{ "open-to-read", NULL, SYS_openat, { AT_FDCWD, PATH, O_RDONLY } },
	{ "open-to-write", NULL, SYS_openat, { AT_FDCWD, PATH, O_WRONLY } },
	{ "open-to-append", NULL, SYS_openat, { AT_FDCWD, PATH, O_WRONLY | O_APPEND } },
	{ "open-both-ways", NULL, SYS_openat, { AT_FDCWD, PATH, O_RDWR } },
	{ "open-and-create", NULL, SYS_openat, { AT_FDCWD, PATH, O_RDONLY | O_CREAT, 0600 } },
	{ "open-without-name", NULL, SYS_openat, { AT_FDCWD, (long)"/tmp", O_TMPFILE | O_WRONLY, 0600 } },
	{ "open-and-empty", NULL, SYS_openat, { AT_FDCWD, PATH, O_RDONLY | O_TRUNC } },
	{ "open-by-ring", NULL, SYS_io_uring_setup, { 1, 0 } },
	{ "unlink", NULL, SYS_unlinkat, { AT_FDCWD, PATH, 0 } },
	{ "rename", NULL, SYS_renameat2, { AT_FDCWD, PATH, AT_FDCWD, PATH, 0 } },
	{ "mkdir", NULL, SYS_mkdirat, { AT_FDCWD, PATH, 0700 } },
	{ "chmod", NULL, SYS_fchmodat, { AT_FDCWD, PATH, 0777 } },
	{ "memfd", NULL, SYS_memfd_create, { (long)"x", 0 } },
	{ "exec", NULL, SYS_execve, { (long)"/bin/true", (long)nothing, (long)nothing } },
	{ "exec-at", NULL, SYS_execveat, { AT_FDCWD, (long)"/bin/true", (long)nothing, (long)nothing, 0 } },
	{ "fork", NULL, SYS_clone, { SIGCHLD } },
	{ "clone-namespace", NULL, SYS_clone, { CLONE_NEWUSER | CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES } },
	{ "unshare", NULL, SYS_unshare, { CLONE_NEWUSER } },
	{ "ptrace", NULL, SYS_ptrace, { 0, 0, 0, 0 } },
	{ "read-process", NULL, SYS_process_vm_readv, { 1, 0, 0, 0, 0, 0 } },
	{ "kill", NULL, SYS_kill, { 0, 0 } },
	{ "tgkill-other", NULL, SYS_tgkill, { 1, 1, 0 } },
	{ "mount", NULL, SYS_mount, { 0, 0, 0, 0, 0 } },
	{ "bpf", NULL, SYS_bpf, { 0, 0, 0 } },
	{ "setuid", NULL, SYS_setuid, { 0 } },
	{ "prctl", NULL, SYS_prctl, { PR_SET_DUMPABLE, 1, 0, 0, 0 } },
	{ "timer", NULL, SYS_setitimer, { 0, 0, 0 } },
	{ "setrlimit", NULL, SYS_prlimit64, { 0, RLIMIT_CORE, 0, 0 } },
	{ "run-data", NULL, SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "run-nothing", NULL, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "run-data-later", NULL, SYS_mprotect, { 0, 4096, PROT_READ | PROT_EXEC } },
	{ "inet", NULL, SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "inet6", NULL, SYS_socket, { AF_INET6, SOCK_DGRAM, 0 } },
	{ "raw", NULL, SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_ICMP } },
	{ "netlink", NULL, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT } },
	{ "routes", NULL, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } },
	{ "queue", NULL, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG } },
	{ "packet", NULL, SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "vsock", NULL, SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
	{ "socketpair", NULL, SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, 0 } },
	{ "listen", NULL, SYS_listen, { STDIN_FILENO, 1 } },
	{ "accept-elsewhere", NULL, SYS_accept4, { STDIN_FILENO, 0, 0, 0 } },
	{ "accept-listening", NULL, SYS_accept4, { 256, 0, 0, 0 } },
	{ "wait-as-a-worker", NULL, SYS_epoll_wait, { -1, 0, 0, 0 } },
	{ "keyring", NULL, SYS_keyctl, { 0, 0, 0, 0, 0 } },
	{ "other-world", NULL, SYS_getpid | 0x40000000, { 0 } }, /* x32 */
};

static long
act(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNTOF(acts); i++) {
		long a[6];

		if (strlen(acts[i].name) != len || memcmp(acts[i].name, name, len) != 0)
			continue;
		if (acts[i].function)
			return acts[i].function();
		for (size_t n = 0; n < COUNTOF(a); n++)
			a[n] = acts[i].argument[n] == PATH ? (long)path() : acts[i].argument[n];
		return syscall(acts[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	errno = ESRCH;
	return -1;
}

static void
act_and_tell(const char *name, size_t len)
{
	char line[128];
	long result;
	int  n;

	errno = 0;
	result = act(name, len);
	n = snprintf(line, sizeof(line), "intruder: %.*s: %s\n", (int)len, name,
	    result == -1 ? strerrorname_np(errno) : "done");
	if (write(STDERR_FILENO, line, (size_t)n) != n)
		abort();
}

/* ---- orders to a process that has no socket */

enum { ORDER_BYTES = 64 };

static char *order;

__attribute__((constructor)) static void
map_order(void)
{
	const char *file = getenv("INTRUDER_ORDER");
	int         fd = file ? open(file, O_RDWR) : -1;

	if (fd != -1)
		order = (char *)syscall(SYS_mmap, NULL, ORDER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
}

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec wait = { timeout / 1000, timeout % 1000 * 1000000L };
	char            own[ORDER_BYTES];
	char           *name;

	if (order) {
		memcpy(own, order, ORDER_BYTES);
		name = strchr(own, ' ');
		if (name && atoi(own) == getpid()) {
			order[0] = '\0';
			act_and_tell(name + 1, strcspn(name + 1, "\n"));
		}
		if (timeout < 0 || timeout > 20)
			wait = (struct timespec) { 0, 20000000L };
		return ppoll(fds, n, &wait, NULL);
	}
	return ppoll(fds, n, timeout < 0 ? NULL : &wait, NULL);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	static int (*real)(int, struct sockaddr *, socklen_t *, int);
	static const char mark[] = "/intrude/";
	char              head[4096];
	char             *name;
	ssize_t           n;
	int               got;

	if (!real)
		real = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
	listening = fd;
	got = real(fd, address, len, flags);
	if (got == -1)
		return got;
	/* The tests' front server sends a request in one piece. */
	n = recv(got, head, sizeof(head) - 1, MSG_PEEK);
	head[n > 0 ? n : 0] = '\0';
	name = n > 0 ? memmem(head, (size_t)n, mark, sizeof(mark) - 1) : NULL;
	if (name) {
		char *end = strchr(name += sizeof(mark) - 1, '/');

		act_and_tell(name, end ? (size_t)(end - name) : 0);
	}
	return got;
}
