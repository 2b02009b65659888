/* The sandbox: limits, Landlock, and the filter of system calls. */
#include "guard/sandbox.h"
#include "base/hash.h"
#include "base/log.h"
#include "db/reach.h"
#include "guard/filter.h"
#include "guard/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LISTENING = 2, /* of these, at their end */
	/* Beside the database's: names by TCP, and Kerberos, which libpq tries with a ticket. */
	PORT_DOMAIN = 53,
	PORT_KERBEROS = 88,
	/* An allocation from here on is a mapping of its own, and goes back when it is freed. */
	MAPPED_BYTES = 1024 * 1024,
	SPARE_BYTES = 4 * 1024 * 1024, /* at the heap's end, kept for what comes next */
};

/* Workers have those of front servers; the rest is for cancellations that a dead host holds up. */
static const int descriptors[SANDBOX__KINDS] = {
	[SANDBOX_WORKER] = 4096,
	[SANDBOX_ADMIN] = 256,
	[SANDBOX_CLERK] = 256,
};

static void
log_once(const struct sandbox *s, const char *what, const char *why)
{
	if (!atomic_exchange(s->logged, 1))
		log_warn("the sandbox is incomplete: no %s: %s", what, why);
}

static bool
logs_to_file(const struct conf *c)
{
	return c->log[0] == '/';
}

/* The file may be a link to one elsewhere. */
static void
folder_of_log(const struct conf *c, char out[PATH_MAX])
{
	char *slash;

	if (!realpath(c->log, out))
		snprintf(out, PATH_MAX, "%s", c->log);
	slash = strrchr(out, '/');
	slash[slash == out] = '\0';
}

int
sandbox_folder(const struct conf *c)
{
	char path[PATH_MAX];

	if (!logs_to_file(c))
		return -1;
	folder_of_log(c, path);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool
sandbox_folder_changed(const struct conf *c, int folder)
{
	struct stat was, is;
	int         now = sandbox_folder(c);
	bool        changed;

	if (now == -1)
		return false;
	changed = folder == -1 || fstat(folder, &was) == -1 || fstat(now, &is) == -1
	    || was.st_dev != is.st_dev || was.st_ino != is.st_ino;
	close(now);
	return changed;
}

/* Raising a limit back takes a privilege. */
static void
lower(const struct sandbox *s, __rlimit_resource_t resource, const char *name, rlim_t most)
{
	const struct rlimit limit = { most, most };
	struct rlimit       now;

	if (getrlimit(resource, &now) == 0 && now.rlim_max <= most)
		return;
	if (setrlimit(resource, &limit) == -1)
		log_once(s, name, strerror(errno));
}

/* Not RLIMIT_NPROC: it counts all of the user's processes, and a thread that cancels is one. */
static void
set_limits(const struct sandbox *s)
{
	struct stat st;
	bool        stderr_is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);

	lower(s, RLIMIT_NOFILE, "limit of descriptors", (rlim_t)descriptors[s->kind]);
	if (!logs_to_file(s->conf) && !stderr_is_file)
		lower(s, RLIMIT_FSIZE, "limit of files", 0);
}

static void
confine_paths_and_ports(const struct sandbox *s, const struct db_reach *reach)
{
	uint16_t        port[DB_REACH_PORTS_MAX + 2] = { PORT_DOMAIN, PORT_KERBEROS };
	struct landlock l = {
		.port = port,
		.ports = reach->network ? 2 : 0,
		.any_port = reach->network && !reach->ports,
	};
	char            folder[PATH_MAX];

	for (size_t i = 0; reach->network && i < reach->ports; i++)
		port[l.ports++] = reach->port[i];
	if (logs_to_file(s->conf)) {
		folder_of_log(s->conf, folder);
		l.folder = folder;
	}
	if (!landlock_confine(&l))
		log_once(s, "Landlock", strerror(errno));
}

static void
filter_calls(const struct sandbox *s, const struct db_reach *reach)
{
	static const unsigned needs[] = {
		[SANDBOX_WORKER] = FOR_WORKER | FOR_SOCKET,
		[SANDBOX_ADMIN] = FOR_ADMIN | FOR_SOCKET,
		[SANDBOX_CLERK] = FOR_CLERK,
	};
	struct filter f = {
		.needs = needs[s->kind],
		.listen_fd = s->listen_fd == -1 ? descriptors[s->kind] : s->listen_fd,
		.only_logs = s->conf->sandbox == CONF_SANDBOX_LOG,
		.refused = s->refused,
	};

	f.needs |= (reach->network ? FOR_NETWORK : 0) | (reach->files ? FOR_FILES : 0)
	    | (logs_to_file(s->conf) ? FOR_LOG : 0) | (s->netlink ? FOR_NETLINK : 0);
	if (!filter_load(&f))
		log_once(s, "filter of system calls", strerror(errno));
}

/*
 * What measures a process from inside itself writes files and makes calls of its own; NULL: nothing
 * does.
 */
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

static void
fill_in(const char *name, const char *value)
{
	const char *given = getenv(name);

	if (!given || !*given)
		setenv(name, value, 1);
}

/* Whose process this is, which libpq would look up in files of the system. */
static void
name_user(void)
{
	const struct passwd *p = getpwuid(geteuid());
	char                 number[16];

	/* Without a name the database refuses the login, and says of whom. */
	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	fill_in("PGUSER", p ? p->pw_name : number);
	fill_in("HOME", p ? p->pw_dir : "/");
}

/* What libraries open when they are first used is opened now, or never. */
static void
warm_up(void)
{
	unsigned char sink[SHA256_BYTES];

#ifdef M_ARENA_MAX
	/* With an arena for each thread glibc reads files below /proc and /sys now and then. */
	mallopt(M_ARENA_MAX, 1);
	/*
	 * glibc raises its thresholds with what it has seen freed, and then keeps memory of large
	 * requests for good: as much as all of them together needed at once.
	 */
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
#endif
	hash_random(sink, sizeof(sink));
	hash_sha256(str_of(""), sink);
}

int
sandbox_lift(enum sandbox_kind kind, int fd)
{
	rlim_t        most = (rlim_t)descriptors[kind];
	struct rlimit now;
	int           first = descriptors[kind] - LISTENING, lifted;

	if (getrlimit(RLIMIT_NOFILE, &now) == 0) {
		now.rlim_cur = now.rlim_max < most ? now.rlim_max : most;
		if (setrlimit(RLIMIT_NOFILE, &now) == -1 && getrlimit(RLIMIT_NOFILE, &now) == -1)
			now.rlim_cur = 64;
		if (now.rlim_cur < most)
			first = (int)now.rlim_cur - LISTENING;
	}
	lifted = fcntl(fd, F_DUPFD_CLOEXEC, first);
	if (lifted != -1)
		close(fd);
	return lifted;
}

void
sandbox_enter(const struct sandbox *s)
{
	struct db_reach reach;

	if (s->conf->sandbox == CONF_SANDBOX_OFF)
		return;
	if (measured_by()) {
		log_once(s, "limits, Landlock and filter", measured_by());
		return;
	}
	name_user();
	db_reach(s->conf->database_url, &reach);
	warm_up();
	if (s->conf->sandbox == CONF_SANDBOX_ON) {
		set_limits(s);
		confine_paths_and_ports(s, &reach);
	}
	filter_calls(s, &reach);
}
