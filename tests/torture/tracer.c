/* Follows every system call of a worker with ptrace(), and makes one of them fail. */
#include "tracer.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum { TICK_MS = 50 };

bool tracer_spares_memory;

#if defined(__x86_64__)

struct fault {
	enum {
		NONE,
		FAILS, /* and does nothing */
		LIES,  /* does it, and says that it failed */
		SHORT, /* does half of it */
		STAYS, /* brk() has no error: it returns the end of the heap, which has not moved */
	} how;
	int error;
};

#define READS { FAILS, EINTR }, { FAILS, ECONNRESET }, { SHORT, 0 }, { FAILS, EIO }, { FAILS, ENOMEM }, { FAILS, EAGAIN }
#define WRITES READS, { FAILS, EPIPE }, { LIES, ECONNRESET }
#define WAITS { FAILS, EINTR }, { FAILS, ENOMEM }
#define LOOKS { FAILS, ENOMEM }, { FAILS, EIO }

/* Every call that a request was seen to make, and the ways in which it can fail, or why there is none. */
static const struct call {
	long         number;
	const char  *name;
	struct fault fault[10];
} table[] = {
	{ SYS_read, "read", { READS } },
	{ SYS_recvfrom, "recvfrom", { READS } },
	{ SYS_pread64, "pread64", { READS } },
	{ SYS_write, "write", { WRITES } },
	{ SYS_sendto, "sendto", { WRITES } },
	{ SYS_poll, "poll", { WAITS } },
	{ SYS_ppoll, "ppoll", { WAITS } },
	{ SYS_epoll_wait, "epoll_wait", { WAITS } },
	{ SYS_epoll_ctl, "epoll_ctl", { { FAILS, ENOMEM }, { FAILS, ENOSPC } } },
	{ SYS_accept4, "accept4", { { FAILS, EMFILE }, { FAILS, ECONNABORTED }, { FAILS, EINTR }, { FAILS, ENOMEM }, { FAILS, EAGAIN } } },
	/* Linux has closed the descriptor whatever it says. */
	{ SYS_close, "close", { { LIES, EINTR }, { LIES, EIO } } },
	{ SYS_socket, "socket", { { FAILS, EMFILE }, { FAILS, ENOBUFS }, { FAILS, EACCES } } },
	{ SYS_connect, "connect", { { FAILS, ECONNREFUSED }, { FAILS, EAGAIN }, { FAILS, EINTR }, { FAILS, ENOENT } } },
	{ SYS_openat, "openat", { { FAILS, EMFILE }, { FAILS, ENOENT }, { FAILS, EACCES } } },
	{ SYS_newfstatat, "newfstatat", { LOOKS } },
	{ SYS_fstat, "fstat", { LOOKS } },
	{ SYS_lseek, "lseek", { { FAILS, EINVAL } } },
	{ SYS_access, "access", { { FAILS, EACCES } } },
	{ SYS_getsockopt, "getsockopt", { { FAILS, ENOBUFS } } },
	{ SYS_setsockopt, "setsockopt", { { FAILS, ENOMEM } } },
	{ SYS_getsockname, "getsockname", { { FAILS, ENOBUFS } } },
	{ SYS_getpeername, "getpeername", { { FAILS, ENOTCONN } } },
	{ SYS_fcntl, "fcntl", { { FAILS, ENOLCK } } },
	{ SYS_ioctl, "ioctl", { { FAILS, ENOTTY } } },
	{ SYS_shutdown, "shutdown", { { FAILS, ENOTCONN } } },
	/* Not ENOSYS, which every kernel is too new for: OpenSSL would open a device, and die of that in the sandbox. */
	{ SYS_getrandom, "getrandom", { { FAILS, EINTR } } },
	{ SYS_mmap, "mmap", { { FAILS, ENOMEM } } },
	{ SYS_mprotect, "mprotect", { { FAILS, ENOMEM } } },
	{ SYS_brk, "brk", { { STAYS, ENOMEM } } },
	{ SYS_clone3, "clone3", { { FAILS, EAGAIN } } },
	{ SYS_clock_nanosleep, "clock_nanosleep", { { FAILS, EINTR } } },
	{ SYS_sendmsg, "sendmsg", { { FAILS, EPIPE }, { FAILS, ENOBUFS } } },
	{ SYS_recvmsg, "recvmsg", { { FAILS, EINTR }, { FAILS, ENOMEM } } },
	{ SYS_uname, "uname", { { FAILS, EFAULT } } },
};

bool
tracer_can(void)
{
	return true;
}

static const struct call *
find(long number)
{
	for (size_t i = 0; i < COUNTOF(table); i++)
		if (table[i].number == number)
			return &table[i];
	return NULL;
}

unsigned
tracer_variants(long number)
{
	const struct call *c = find(number);
	unsigned           n = 0;

	if (tracer_spares_memory && (number == SYS_mmap || number == SYS_mprotect || number == SYS_brk))
		return 0;
	while (c && c->fault[n].how != NONE)
		n++;
	return n;
}

const char *
tracer_name(long number)
{
	static char        text[32];
	const struct call *c = find(number);

	if (c)
		return c->name;
	snprintf(text, sizeof(text), "call %ld", number);
	return text;
}

/* What is being done to a call, from its entry to its exit. */
struct pending {
	pid_t                   tid;
	struct fault            fault;
	struct user_regs_struct before;
};

static void
put_in(struct tracer *t, struct pending *p, pid_t tid, long number, unsigned variant)
{
	static const char *const hows[] = { "", "fails with", "is done and says", "does half", "fails with" };
	struct user_regs_struct  regs;
	unsigned                 n = tracer_variants(number);

	if (n == 0)
		return;
	*p = (struct pending) { tid, find(number)->fault[variant % n], { 0 } };
	if (ptrace(PTRACE_GETREGS, tid, 0, &p->before) == -1)
		return;
	regs = p->before;
	if (p->fault.how == FAILS) {
		/* Something else that does nothing, and that every filter of calls lets through. */
		regs.orig_rax = SYS_read;
		regs.rdi = (unsigned long long)-1;
		regs.rdx = 0;
	} else if (p->fault.how == SHORT) {
		if (regs.rdx < 2) {
			p->fault.how = NONE;
			return;
		}
		regs.rdx /= 2;
	} else if (p->fault.how == STAYS) {
		regs.rdi = 0;
	}
	ptrace(PTRACE_SETREGS, tid, 0, &regs);
	t->fired = true;
	t->hit = number;
	snprintf(t->what, sizeof(t->what), "%s %s%s%s", find(number)->name, hows[p->fault.how],
	    p->fault.how == SHORT ? "" : " ", p->fault.how == SHORT ? "" : strerrorname_np(p->fault.error));
}

static void
take_out(struct pending *p)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, p->tid, 0, &regs) == 0) {
		regs.rdi = p->before.rdi;
		regs.rdx = p->before.rdx;
		if (p->fault.how == FAILS || p->fault.how == LIES)
			regs.rax = (unsigned long long)-p->fault.error;
		ptrace(PTRACE_SETREGS, p->tid, 0, &regs);
	}
	p->fault.how = NONE;
}

#else

bool
tracer_can(void)
{
	return false;
}

unsigned
tracer_variants(long number UNUSED)
{
	return 0;
}

const char *
tracer_name(long number UNUSED)
{
	return "";
}

struct pending {
	pid_t tid;
	struct { int how; } fault;
};

enum { NONE };

static void
put_in(struct tracer *t UNUSED, struct pending *p UNUSED, pid_t tid UNUSED, long number UNUSED, unsigned variant UNUSED)
{
}

static void
take_out(struct pending *p UNUSED)
{
}

#endif

static void
tick(int number UNUSED)
{
}

void
tracer_me(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
}

/* One stop of one thread. True when the worker is at rest: no request (f is NULL), or its answer is at its end. */
static bool
stopped(struct tracer *t, struct front *f, pid_t tid, int status, unsigned at, unsigned variant, struct pending *p)
{
	struct ptrace_syscall_info info;
	int                        signal = WSTOPSIG(status);

	if (signal != (SIGTRAP | 0x80)) {
		/* A new thread begins with a stop of its own; events have one too. */
		ptrace(PTRACE_SYSCALL, tid, 0, signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
		return false;
	}
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0)
		return false;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		long number = (long)info.entry.nr;
		bool rests = tid == t->pid && number == SYS_epoll_wait;

		if (f && t->calls < TRACER_CALLS_MAX)
			t->number[t->calls++] = number;
		if (f && t->calls == at && !t->fired)
			put_in(t, p, tid, number, variant);
		else if (rests && (!f || front_read(f, 0)))
			return true;
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && p->fault.how != NONE && p->tid == tid)
		take_out(p);
	ptrace(PTRACE_SYSCALL, tid, 0, 0);
	return false;
}

static enum tracer_end
follow(struct tracer *t, struct front *f, unsigned at, unsigned variant, int *status)
{
	struct pending pending = { 0 };
	int64_t        end = clock_mono_ms() + t->limit_ms;

	for (;;) {
		pid_t tid = waitpid(-1, status, __WALL);

		if (clock_mono_ms() > end)
			return TRACER_HANGS;
		if (tid == -1 && errno == EINTR) {
			if (f)
				front_read(f, 0); /* a long answer must not wait for its reader */
			continue;
		}
		if (tid == -1)
			abort();
		if (WIFSTOPPED(*status)) {
			if (stopped(t, f, tid, *status, at, variant, &pending))
				return TRACER_IDLE;
		} else if (tid == t->pid) {
			return TRACER_ENDED;
		}
	}
}

enum tracer_end
tracer_start(struct tracer *t, pid_t pid, int64_t limit_ms, int *status)
{
	const struct itimerval every = { { 0, TICK_MS * 1000 }, { 0, TICK_MS * 1000 } };
	const struct sigaction act = { .sa_handler = tick };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	*t = (struct tracer) { .pid = pid, .limit_ms = limit_ms };
	while (waitpid(pid, status, __WALL) == -1)
		if (errno != EINTR)
			abort();
	if (!WIFSTOPPED(*status))
		return TRACER_ENDED;
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	return follow(t, NULL, 0, 0, status);
}

enum tracer_end
tracer_request(struct tracer *t, struct front *f, unsigned at, unsigned variant, int *status)
{
	t->calls = 0;
	t->fired = false;
	t->what[0] = '\0';
	ptrace(PTRACE_SYSCALL, t->pid, 0, 0);
	return follow(t, f, at, variant, status);
}

/* Only what stands can be let go. A thread that has ended is waited for, or its process could not be. */
static void
let_go(pid_t pid, pid_t tid)
{
	int status;

	if (tid != pid) {
		if (syscall(SYS_tgkill, pid, tid, SIGSTOP) == -1)
			return;
		do {
			while (waitpid(tid, &status, __WALL) == -1)
				if (errno != EINTR)
					return;
			if (!WIFSTOPPED(status))
				return;
			if (WSTOPSIG(status) != SIGSTOP)
				ptrace(PTRACE_CONT, tid, 0, 0);
		} while (WSTOPSIG(status) != SIGSTOP);
	}
	ptrace(PTRACE_DETACH, tid, 0, 0);
}

bool
tracer_bury(struct tracer *t, int signal, int64_t limit_ms, int *status)
{
	int64_t        end = clock_mono_ms() + limit_ms;
	bool           in_time = true;
	char           path[64];
	DIR           *dir;
	struct dirent *entry;
	pid_t          tid;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)t->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if ((tid = (pid_t)strtol(entry->d_name, NULL, 10)) > 0 && tid != t->pid)
			let_go(t->pid, tid);
	if (dir)
		closedir(dir);
	let_go(t->pid, t->pid);
	/*
	 * A thread that began meanwhile has a SIGSTOP of the tracer's own beside that of let_go(). It is taken back before
	 * the signal is sent: later, SIGCONT would also take back those by which LeakSanitizer stops the threads of a process
	 * that ends, and which it waits for.
	 */
	kill(t->pid, SIGCONT);
	kill(t->pid, signal);
	/* Those that ended meanwhile, too. */
	while ((tid = waitpid(-1, status, __WALL)) != t->pid || WIFSTOPPED(*status)) {
		if (tid == -1 && errno != EINTR)
			abort();
		if (in_time && clock_mono_ms() > end) {
			in_time = false;
			kill(t->pid, SIGKILL);
		}
	}
	return in_time;
}
