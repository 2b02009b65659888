/* The table of system calls. */
#include "guard/filter.h"
#include "shm/word.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_BYTES = 32 };

#if defined(HAVE_SECCOMP) && __SIZEOF_POINTER__ == 8
#include <seccomp.h>

/*
 * CALL: with any arguments. WHEN: with arguments that are so. TRIED: libraries ask for it and do
 * without; it fails with this errno. A call may have several rows; what none allows ends the
 * process.
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
#define BELOW(n, value) SCMP_CMP64(n, SCMP_CMP_LT, (scmp_datum_t)(value), 0)
#define AT_LEAST(n, value) SCMP_CMP64(n, SCMP_CMP_GE, (scmp_datum_t)(value), 0)
#define BITS(n, mask, value) \
	SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value))

/* Flags of open(): what makes it more than reading, as a mask; and those of base/sink.c. */
#define NOT_READING (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | 020000000 /* of O_TMPFILE */)
#define LOG_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
/* A new thread shares all with the others; a new process or namespace does not. */
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC \
	| CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */)
#define OF_THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
/* Types of sockets without the flags that are or-ed to them. */
#define TYPE_MASK 0xf

static bool
add_rows(scmp_filter_ctx filter, const struct filter *f)
{
	const struct call calls[] = {
		/*
		 * Requests, answers, and what libpq says and hears. The listening socket is shared
		 * by all workers: connections are taken from it, and nothing else is done to it.
		 * Only "less" says that: what is not equal has the kernel's number in its low half.
		 */
		CALL(read, 0),
		CALL(readv, FOR_SOCKET),
		CALL(pread64, FOR_WORKER), /* the size of its memory */
		CALL(write, 0),
		CALL(writev, 0),
		CALL(close, 0),
		CALL(poll, 0),
		CALL(ppoll, 0),
		CALL(epoll_ctl, FOR_WORKER),
		CALL(dup, FOR_WORKER), /* of the memory that libfcgi reads a request from */
		CALL(epoll_wait, FOR_SOCKET),
		CALL(epoll_pwait, FOR_SOCKET),
		CALL(recvfrom, 0),
		CALL(sendto, 0),
		WHEN(shutdown, 0, BELOW(0, f->listen_fd)),
		WHEN(accept4, FOR_SOCKET, IS(0, f->listen_fd)),
		WHEN(accept4, FOR_ADMIN, IS(0, f->listen_fd + 1)),
		/* By libfcgi on -1, after a connection without a request. */
		TRIED(accept, FOR_WORKER, EBADF),
		WHEN(fcntl, 0, IS(1, F_GETFL)),
		BOTH(fcntl, 0, IS(1, F_SETFL), BELOW(0, f->listen_fd)),
		WHEN(fcntl, 0, IS(1, F_GETFD)),
		WHEN(fcntl, 0, IS(1, F_SETFD)),
		CALL(lseek, 0),

		/* To the database again, and to syslog. */
		WHEN(socket, 0, IS(0, AF_UNIX)),
		WHEN(connect, 0, BELOW(0, f->listen_fd)),
		CALL(getsockname, 0),
		CALL(getpeername, 0),
		CALL(getsockopt, 0),
		BOTH(setsockopt, 0, IS(1, SOL_SOCKET), BELOW(0, f->listen_fd)),
		BOTH(setsockopt, 0, IS(1, IPPROTO_TCP), BELOW(0, f->listen_fd)),
		BOTH(socket, FOR_NETLINK, IS(0, AF_NETLINK), IS(2, NETLINK_SOCK_DIAG)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET), BITS(1, TYPE_MASK, SOCK_STREAM)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_STREAM)),
		/* Names: a query by UDP, which answers can be reached, and by what interface. */
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET), BITS(1, TYPE_MASK, SOCK_DGRAM)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_DGRAM)),
		BOTH(socket, FOR_NETWORK, IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)),
		CALL(bind, FOR_NETWORK),
		CALL(sendmsg, FOR_NETWORK),
		CALL(sendmsg, FOR_ADMIN),
		CALL(sendmmsg, FOR_NETWORK),
		CALL(recvmsg, FOR_NETWORK),
		BOTH(setsockopt, FOR_NETWORK, IS(1, IPPROTO_IP), BELOW(0, f->listen_fd)),
		BOTH(setsockopt, FOR_NETWORK, IS(1, IPPROTO_IPV6), BELOW(0, f->listen_fd)),
		WHEN(ioctl, FOR_NETWORK, IS(1, 0x541b /* FIONREAD */)),
		CALL(uname, FOR_NETWORK),
		TRIED(sysinfo, FOR_NETWORK, ENOSYS), /* by libcrypto, for the size of the memory */

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

		/* Memory. Code comes from files, and only where names or TLS may load a library. */
		CALL(brk, 0),
		CALL(munmap, 0),
		CALL(mremap, 0),
		CALL(madvise, 0),
		WHEN(mmap, 0, BITS(2, PROT_EXEC, 0)),
		BOTH(mmap, FOR_NETWORK, BITS(2, PROT_WRITE | PROT_EXEC, PROT_EXEC),
		    BITS(3, MAP_ANONYMOUS, 0)),
		WHEN(mprotect, 0, BITS(2, PROT_EXEC, 0)),

		/* The thread that cancels, by clone: clone3 hides its flags from a filter. */
		TRIED(clone3, 0, ENOSYS),
		WHEN(clone, 0, BITS(0, NAMESPACES | OF_THREAD, OF_THREAD)),
		CALL(set_robust_list, 0),
		CALL(rseq, 0),
		CALL(futex, 0),
		CALL(sched_yield, 0),
		CALL(sched_getaffinity, 0),
		CALL(exit, 0),

		/* Signals: handlers stay as they are, but for those that libc keeps to itself. */
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

		/* Kerberos keeps tickets in the kernel's keyrings, or else in files. */
		TRIED(keyctl, FOR_NETWORK, ENOSYS),
		TRIED(add_key, FOR_NETWORK, ENOSYS),
	};

	for (size_t i = 0; i < COUNTOF(calls); i++) {
		const struct call *c = &calls[i];
		int                error;

		if (c->needs & ~f->needs)
			continue;
		error = seccomp_rule_add_array(filter,
		    c->fails ? SCMP_ACT_ERRNO((unsigned)c->fails) : SCMP_ACT_ALLOW, c->number,
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
 * A call that is not in the table was not done. Its number goes to the supervisor, which finds a
 * name for it. This handler is gone by now (SA_RESETHAND), and no system call of the table can
 * bring it or another one back.
 */
static void
die(int signal_number, siginfo_t *info, void *context UNUSED)
{
	word_set(refused_call, (uint32_t)info->si_syscall + 1);
	raise(signal_number);
	_exit(EXIT_DEFECT);
}

bool
filter_load(const struct filter *f)
{
	const struct sigaction act = {
		.sa_sigaction = die,
		.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER,
	};
	scmp_filter_ctx filter = seccomp_init(f->only_logs ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
	int             error = ENOMEM;

	if (filter) {
		refused_call = f->refused;
		sigaction(SIGSYS, &act, NULL);
		/* A binary tree: row after row a request's calls would go through half of them. */
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		error = add_rows(filter, f) ? -seccomp_load(filter) : errno;
		seccomp_release(filter);
	}
	errno = error;
	return error == 0;
}

const char *
filter_call_name(uint32_t number)
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

bool
filter_load(const struct filter *f UNUSED)
{
	errno = ENOSYS;
	return false;
}

const char *
filter_call_name(uint32_t number)
{
	static char text[NAME_BYTES];

	snprintf(text, sizeof(text), "%u", (unsigned)number);
	return text;
}

#endif
