/* Landlock. The C library has no functions for it, and headers are older than kernels. */
#include "guard/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_landlock_create_ruleset

enum {
	RULE_PATH_BENEATH = 1,
	RULE_NET_PORT = 2,
	CREATE_VERSION = 1,
	WITH_TRUNCATE = 3, /* versions, by what they brought */
	WITH_TCP = 4,
};

/* Of files: all rights but EXECUTE and those to read are about making, changing and removing. */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE   (UINT64_C(1) << 1)
#define FS_MAKE    (UINT64_C(1) << 8)
#define FS_FIRST   (FS_EXECUTE | FS_WRITE | UINT64_C(0x1ff0)) /* as of version 1 */
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define NET_BIND_TCP (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

struct ruleset {
	uint64_t fs, net;
};

struct beneath {
	uint64_t allowed;
	int32_t  folder;
} __attribute__((packed));

struct port {
	uint64_t allowed, number;
};

static bool
add(long rules, int type, const void *rule)
{
	return syscall(SYS_landlock_add_rule, rules, type, rule, 0) == 0;
}

static bool
allow_folder(long rules, const char *path)
{
	struct beneath rule = {
		.allowed = FS_WRITE | FS_MAKE,
		.folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	bool           ok;

	if (rule.folder == -1)
		return false;
	ok = add(rules, RULE_PATH_BENEATH, &rule);
	close(rule.folder);
	return ok;
}

static bool
fill(long rules, const struct ruleset *handled, const struct landlock *l)
{
	/* Where there is no such folder nothing is to be written to, either. */
	if (l->folder && !allow_folder(rules, l->folder) && errno != ENOENT)
		return false;
	for (size_t i = 0; (handled->net & NET_CONNECT_TCP) && i < l->ports; i++)
		if (!add(rules, RULE_NET_PORT, &(struct port) { NET_CONNECT_TCP, l->port[i] }))
			return false;
	return true;
}

bool
landlock_confine(const struct landlock *l)
{
	long           version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	struct ruleset handled = { .fs = FS_FIRST };
	long           rules;
	bool           ok;
	int            failure;

	if (version < 1)
		return false;
	if (version >= WITH_TRUNCATE)
		handled.fs |= FS_TRUNCATE;
	if (version >= WITH_TCP)
		handled.net = NET_BIND_TCP | (l->any_port ? 0 : NET_CONNECT_TCP);
	/* Kernels without TCP rules know the first member alone. */
	rules = syscall(SYS_landlock_create_ruleset, &handled,
	    version >= WITH_TCP ? sizeof(handled) : sizeof(handled.fs), 0);
	if (rules == -1)
		return false;
	ok = fill(rules, &handled, l) && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	failure = errno;
	close((int)rules);
	errno = failure;
	return ok;
}

#else

bool
landlock_confine(const struct landlock *l UNUSED)
{
	errno = ENOSYS;
	return false;
}

#endif
