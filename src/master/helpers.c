/* The table of helpers. */
#include "master/helpers.h"
#include "admin/admin.h"
#include "clerk/clerk.h"
#include "master/child.h"

#include <stdlib.h>

/* Until the end, so that it can be asked how far that is. */
static bool
wants_admin(const struct supervisor *s)
{
	return s->args->admin->fd != -1 || s->args->metrics->fd != -1;
}

/* Not before the first check of the database has passed. */
static bool
wants_clerk(const struct supervisor *s)
{
	return s->conf->clerk && s->pool.generation > 0 && !s->rehearsal && !s->stopping;
}

static const struct {
	const char     *name; /* in the log */
	enum child_kind kind;
	bool (*wanted)(const struct supervisor *s);
	int  (*run)(const struct heritage *h);
} helpers[HELPER__COUNT] = {
	[HELPER_ADMIN] = { "the admin process", CHILD_ADMIN, wants_admin, admin_run },
	[HELPER_CLERK] = { "the clerk", CHILD_CLERK, wants_clerk, clerk_run },
};

void
helpers_init(struct supervisor *s)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		s->helper[i].name = helpers[i].name;
	s->helper[HELPER_CLERK].refused = &s->heritage.stats->clerk->refused;
}

static void
begin(struct supervisor *s, enum helper which)
{
	struct heritage h = s->heritage;
	pid_t           pid = child_fork(helpers[which].kind, &h);

	if (pid == 0)
		exit(helpers[which].run(&h));
	keeper_forked(&s->helper[which], pid);
}

void
helpers_tend(struct supervisor *s)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		if (keeper_due(&s->helper[i]) && helpers[i].wanted(s))
			begin(s, (enum helper)i);
	word_set(&board(s)->clerk_wanted, wants_clerk(s));
	word_set(&board(s)->clerk_pid, s->helper[HELPER_CLERK].pid);
}

void
helpers_next(const struct supervisor *s, int64_t *wait_ms)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		if (helpers[i].wanted(s))
			keeper_next(&s->helper[i], wait_ms);
}

bool
helpers_reap(struct supervisor *s, pid_t pid, int status)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		if (keeper_reap(&s->helper[i], pid, status))
			return true;
	return false;
}

void
helpers_renew(struct supervisor *s)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		keeper_renew(&s->helper[i]);
}

void
helpers_signal(const struct supervisor *s, int number)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		keeper_signal(&s->helper[i], number);
}

void
helpers_stop(struct supervisor *s)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		if (!helpers[i].wanted(s))
			keeper_renew(&s->helper[i]);
}

void
helpers_end(struct supervisor *s)
{
	for (size_t i = 0; i < HELPER__COUNT; i++)
		keeper_signal(&s->helper[i], SIGTERM);
	for (size_t i = 0; i < HELPER__COUNT; i++)
		keeper_end(&s->helper[i]);
}
