/* The sandbox: limits, Landlock, and the table of system calls. */
#include "guard/sandbox.h"
#include "base/hash.h"
#include "base/log.h"
#include "db/reach.h"
#include "guard/landlock.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <malloc.h>
#include <netinet/in.h>
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
#include <unistd.h>

enum {
	/* A worker has about 16; the rest is for cancellations that a dead host holds up. */
	DESCRIPTORS = 256,
	/* Beside the database's: names by TCP, and Kerberos, which libpq tries when there is a ticket. */
	PORT_DOMAIN = 53,
	PORT_KERBEROS = 88,
	NAME_BYTES = 32,
};

/* What of the table applies; a row names all that it is for. */
enum {
	FOR_WORKER = 1,
	FOR_ADMIN = 2,
	FOR_NETWORK = 4, /* the database is not behind a unix socket */
	FOR_FILES = 8,   /* connecting reads files */
	FOR_LOG = 16,    /* the log is a file, to be opened again */
	FOR_NETLINK = 32,
};

static unsigned
needs_of(const struct sandbox *s, const struct db_reach *reach)
{
	return (s->who == SANDBOX_WORKER ? FOR_WORKER : FOR_ADMIN) | (reach->network ? FOR_NETWORK : 0)
	    | (reach->files ? FOR_FILES : 0) | (s->conf->log[0] == '/' ? FOR_LOG : 0) | (s->netlink ? FOR_NETLINK : 0);
}

static void
tell_once(const struct sandbox *s, const char *what, const char *why)
{
	if (!atomic_exchange(s->logged, 1))
		log_warn("the sandbox is incomplete: no %s: %s", what, why);
}

/* ---- limits */

/* Raising a limit back takes a privilege. */
static void
lower(const struct sandbox *s, int resource, const char *name, rlim_t most)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max <= most)
		return;
	if (setrlimit((__rlimit_resource_t)resource, &(struct rlimit) { most, most }) == -1)
		tell_once(s, name, strerror(errno));
}

static void
limit(const struct sandbox *s)
{
	struct stat st;
	bool        writes_file = s->conf->log[0] == '/' || (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode));

	lower(s, RLIMIT_NOFILE, "limit of descriptors", DESCRIPTORS);
	if (!writes_file)
		lower(s, RLIMIT_FSIZE, "limit of files", 0);
	/* Not RLIMIT_NPROC: it counts all of the user's processes, and a thread that cancels is one. */
}

/* ---- Landlock */

static void
confine(const struct sandbox *s, const struct db_reach *reach)
{
	uint16_t        port[DB_REACH_PORTS_MAX + 2] = { PORT_DOMAIN, PORT_KERBEROS };
	struct landlock l = { .port = port, .ports = reach->network ? 2 : 0, .any_port = reach->network && !reach->ports };
	char            folder[1024 + 1];

	for (size_t i = 0; reach->network && i < reach->ports; i++)
		port[l.ports++] = reach->port[i];
	if (s->conf->log[0] == '/') {
		size_t len = (size_t)(strrchr(s->conf->log, '/') - s->conf->log);

		snprintf(folder, sizeof(folder), "%.*s", (int)(len ? len : 1), s->conf->log);
		l.folder = folder;
	}
	if (!landlock_confine(&l))
		tell_once(s, "Landlock", strerror(errno));
}

/* ---- system calls */

#if defined(HAVE_SECCOMP) && __SIZEOF_POINTER__ == 8
#include <seccomp.h>

/*
 * CALL: with any arguments. WHEN: with arguments that are so. TRIED: libraries ask for it and do
 * without; it fails with this errno. A call may have several rows; what none allows ends the process.
 */
struct call {
	int                 number;
	unsigned            needs;  /* FOR_; all of them, 0: always */
	int                 fails;  /* an errno, or 0 */
	unsigned            tests;
	struct scmp_arg_cmp test[2];
};

#define CALL(name, needs) { SCMP_SYS(name), needs, 0, 0, { { 0 } } }
#define WHEN(name, needs, one) { SCMP_SYS(name), needs, 0, 1, { one } }
#define BOTH(name, needs, one, other) { SCMP_SYS(name), needs, 0, 2, { one, other } }
#define TRIED(name, needs, error) { SCMP_SYS(name), needs, error, 0, { { 0 } } }

#define IS(n, value) SCMP_CMP64(n, SCMP_CMP_EQ, (scmp_datum_t)(value), 0)
#define AT_LEAST(n, value) SCMP_CMP64(n, SCMP_CMP_GE, (scmp_datum_t)(value), 0)
#define BITS(n, mask, value) SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value))

/* Flags of open(): what makes it more than reading, as a mask; and those of base/sink.c. */
#define NOT_READING (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | 020000000 /* of O_TMPFILE */)
#define LOG_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
/* A new thread shares all with the others; whoever asks for a process or a namespace does not. */
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID \
	| CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */)
#define OF_THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
/* Types of sockets without the flags that are or-ed to them. */
#define TYPE_MASK 0xf

static bool
add_rows(scmp_filter_ctx filter, const struct sandbox *s, unsigned given)
{
	const struct call calls[] = {
		/* Requests, answers, and what libpq says and hears. */
		CALL(read, 0),
		CALL(readv, 0),
		CALL(pread64, 0),
		CALL(write, 0),
		CALL(writev, 0),
		CALL(close, 0),
		CALL(poll, 0),
		CALL(ppoll, 0),
		CALL(epoll_ctl, FOR_WORKER), /* a connection that is kept */
		CALL(epoll_wait, 0),
		CALL(epoll_pwait, 0),
		CALL(recvfrom, 0),
		CALL(sendto, 0),
		CALL(shutdown, 0),
		CALL(setitimer, FOR_WORKER), /* ends what a peer makes last too long */
		WHEN(accept4, 0, IS(0, s->listen_fd)),
		TRIED(accept, FOR_WORKER, EBADF), /* by libfcgi on -1, after a connection without a request */
		WHEN(fcntl, 0, IS(1, F_GETFL)),
		WHEN(fcntl, 0, IS(1, F_SETFL)),
		WHEN(fcntl, 0, IS(1, F_GETFD)),
		WHEN(fcntl, 0, IS(1, F_SETFD)),
		CALL(lseek, 0),

		/* To the database again, and to syslog. */
		WHEN(socket, 0, IS(0, AF_UNIX)),
		CALL(connect, 0),
		CALL(getsockname, 0),
		CALL(getpeername, 0),
		CALL(getsockopt, 0),
		WHEN(setsockopt, 0, IS(1, SOL_SOCKET)),
		WHEN(setsockopt, 0, IS(1, IPPROTO_TCP)),
		BOTH(socket, FOR_NETLINK, IS(0, AF_NETLINK), IS(2, NETLINK_SOCK_DIAG)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET), BITS(1, TYPE_MASK, SOCK_STREAM)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_STREAM)),
		/* Names: a query by UDP, which of its answers can be reached, and by what interface. */
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET), BITS(1, TYPE_MASK, SOCK_DGRAM)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_DGRAM)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)),
		CALL(bind, FOR_NETWORK),
		CALL(sendmsg, FOR_NETWORK),
		CALL(sendmsg, FOR_ADMIN),
		CALL(sendmmsg, FOR_NETWORK),
		CALL(recvmsg, FOR_NETWORK),
		WHEN(setsockopt, FOR_NETWORK, IS(1, IPPROTO_IP)),
		WHEN(setsockopt, FOR_NETWORK, IS(1, IPPROTO_IPV6)),
		WHEN(ioctl, FOR_NETWORK, IS(1, 0x541b /* FIONREAD */)),
		CALL(uname, FOR_NETWORK),

		/* libmicrohttpd begins after this. */
		CALL(eventfd2, FOR_ADMIN),
		CALL(epoll_create1, FOR_ADMIN),
		CALL(epoll_ctl, FOR_ADMIN),
		WHEN(prctl, FOR_ADMIN, IS(0, PR_SET_NAME)),

		/* Files: names' and libpq's to read, the log's to open again. */
		CALL(newfstatat, 0),
		CALL(fstat, 0),
		CALL(stat, 0),
		CALL(statx, 0),
		WHEN(openat, FOR_FILES, BITS(2, NOT_READING, O_RDONLY)),
		WHEN(open, FOR_FILES, BITS(1, NOT_READING, O_RDONLY)),
		CALL(lstat, FOR_FILES),
		CALL(access, FOR_FILES),
		CALL(faccessat, FOR_FILES),
		CALL(faccessat2, FOR_FILES),
		CALL(readlink, FOR_FILES),
		CALL(readlinkat, FOR_FILES),
		CALL(fstatfs, FOR_FILES),
		CALL(getdents64, FOR_FILES),
		WHEN(openat, FOR_LOG, IS(2, LOG_FLAGS)),

		/* Memory. Code is mapped only where names or TLS may load a library of theirs. */
		CALL(brk, 0),
		CALL(munmap, 0),
		CALL(mremap, 0),
		CALL(madvise, 0),
		WHEN(mmap, 0, BITS(2, PROT_EXEC, 0)),
		CALL(mmap, FOR_NETWORK),
		WHEN(mprotect, 0, BITS(2, PROT_EXEC, 0)),

		/* The thread that cancels. clone3 hides its flags from a filter, so the C library is to use clone. */
		TRIED(clone3, 0, ENOSYS),
		WHEN(clone, 0, BITS(0, NAMESPACES | OF_THREAD, OF_THREAD)),
		CALL(set_robust_list, 0),
		CALL(rseq, 0),
		CALL(futex, 0),
		CALL(sched_yield, 0),
		CALL(sched_getaffinity, 0),
		CALL(exit, 0),

		/* Signals: handlers stay as they are but for those that the C library keeps to itself. */
		CALL(rt_sigprocmask, 0),
		CALL(rt_sigpending, 0),
		CALL(rt_sigtimedwait, 0),
		CALL(rt_sigreturn, 0),
		CALL(restart_syscall, 0),
		WHEN(rt_sigaction, 0, AT_LEAST(0, 32)),
		WHEN(tgkill, 0, IS(0, getpid())), /* abort() */

		/* Harmless. */
		CALL(clock_gettime, 0),
		CALL(clock_getres, FOR_ADMIN),
		CALL(clock_nanosleep, 0),
		CALL(nanosleep, 0),
		CALL(gettimeofday, 0),
		CALL(time, 0),
		CALL(getrandom, 0),
		CALL(getpid, 0),
		CALL(gettid, 0),
		CALL(getuid, 0),
		CALL(geteuid, 0),
		CALL(getgid, 0),
		CALL(getegid, 0),
		CALL(exit_group, 0),

		/* Kerberos keeps tickets in the kernel's keyrings on some systems, and in files when it cannot. */
		TRIED(keyctl, FOR_NETWORK, ENOSYS),
		TRIED(add_key, FOR_NETWORK, ENOSYS),
	};

	for (size_t i = 0; i < COUNTOF(calls); i++) {
		const struct call *c = &calls[i];
		int                error;

		if (c->needs & ~given)
			continue;
		error = seccomp_rule_add_array(filter, c->fails ? SCMP_ACT_ERRNO((unsigned)c->fails) : SCMP_ACT_ALLOW, c->number,
		    c->tests, c->test);
		if (error && error != -EDOM) { /* that: not a call of this architecture */
			errno = -error;
			return false;
		}
	}
	return true;
}

static _Atomic(uint32_t) *refused_call;

/*
 * A call that is not in the table was not done. Its number goes to the supervisor, which finds a name for it. This
 * handler is gone by now (SA_RESETHAND), and no system call of the table can bring it or another one back.
 */
static void
die(int signal_number, siginfo_t *info, void *context UNUSED)
{
	atomic_store(refused_call, (uint32_t)info->si_syscall + 1);
	raise(signal_number);
	_exit(EXIT_DEFECT);
}

static bool
load(const struct sandbox *s, unsigned given)
{
	bool             only_logs = s->conf->sandbox == CONF_SANDBOX_LOG;
	struct sigaction act = { .sa_sigaction = die, .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER };
	scmp_filter_ctx  filter = seccomp_init(only_logs ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
	int              error = ENOMEM;

	if (filter) {
		refused_call = s->refused;
		sigaction(SIGSYS, &act, NULL);
		/* A binary tree: with a row after the other a request's calls would go through half of them each. */
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		error = add_rows(filter, s, given) ? -seccomp_load(filter) : errno;
		seccomp_release(filter);
	}
	errno = error;
	return error == 0;
}

static void
filter_calls(const struct sandbox *s, unsigned given)
{
	if (!load(s, given))
		tell_once(s, "filter of system calls", strerror(errno));
}

const char *
sandbox_call_name(uint32_t number)
{
	static char text[NAME_BYTES];
	char       *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);

	if (name)
		snprintf(text, sizeof(text), "%s", name);
	else
		snprintf(text, sizeof(text), "%u", (unsigned)number);
	free(name);
	return text;
}

#else

static void
filter_calls(const struct sandbox *s, unsigned given UNUSED)
{
	tell_once(s, "filter of system calls", "this build has none");
}

const char *
sandbox_call_name(uint32_t number)
{
	static char text[NAME_BYTES];

	snprintf(text, sizeof(text), "%u", (unsigned)number);
	return text;
}

#endif

/* ---- all of it */

/* What measures a process from inside itself writes files and makes calls of its own; NULL: nothing does. */
static const char *
measured_by(void)
{
#ifdef MEASURES_COVERAGE
	return "gcov";
#else
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "/vgpreload_") ? "valgrind" : NULL;
#endif
}

/* What libraries open when they are first used is opened now, or never. */
static void
warm_up(void)
{
	unsigned char sink[SHA256_BYTES];

#ifdef M_ARENA_MAX
	/* With an arena for each thread glibc reads files below /proc and /sys now and then. */
	mallopt(M_ARENA_MAX, 1);
#endif
	hash_random(sink, sizeof(sink));
	hash_sha256(str_of(""), sink);
}

void
sandbox_enter(const struct sandbox *s)
{
	struct db_reach reach;

	if (s->conf->sandbox == CONF_SANDBOX_OFF)
		return;
	if (measured_by()) {
		tell_once(s, "limits, Landlock and filter", measured_by());
		return;
	}
	db_reach(s->conf->database_url, &reach);
	warm_up();
	if (s->conf->sandbox == CONF_SANDBOX_ON) {
		limit(s);
		confine(s, &reach);
	}
	filter_calls(s, needs_of(s, &reach));
}
