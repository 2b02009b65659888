/* clientele serve: makes everything that needs rights, gives them up, and runs. */
#include "app/app.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/pidfile.h"
#include "billing/checkout.h"
#include "cli/load.h"
#include "guard/harden.h"
#include "master/scale.h"
#include "master/supervisor.h"
#include "net/allow.h"
#include "net/listen.h"
#include "shm/buckets.h"
#include "shm/requests.h"
#include "shm/stats.h"
#include "worker/worker.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
load_again(const void *load_with, struct conf *out, struct buf *err)
{
	if (!cmd_load_conf(load_with, out, err))
		return false;
	if (listener_check(out, err) && scale_check(out, err) && checkout_check(out, err)
	    && log_check(out->log, err))
		return true;
	conf_fini(out);
	return false;
}

/* Returns an exit code. */
static int
become_user(const char *name, const struct pidfile *pidfile, struct buf *err)
{
	const struct passwd *p;

	if (geteuid() != 0) {
		p = name[0] ? getpwnam(name) : NULL;
		if (name[0] && (!p || p->pw_uid != geteuid()))
			log_info("ignoring user = %s: not started as root", name);
		return 0;
	}
	if (!name[0]) {
		log_warn("running as root; set user");
		return 0;
	}
	errno = 0; /* not set, or one of these, when there is none */
	p = getpwnam(name);
	if (!p && (errno == 0 || errno == ENOENT)) {
		buf_fmt(err, "user: there is no user \"%s\"", name);
		return EXIT_CONFIG;
	}
	if (!p) {
		buf_fmt(err, "user: \"%s\" cannot be looked up at the moment: %s", name,
		    strerror(errno));
		return EXIT_OS;
	}
	pidfile_give(pidfile, p->pw_uid, p->pw_gid);
	if (load_become(p)) {
		harden_process();
		return 0;
	}
	buf_fmt(err, "user: cannot become \"%s\": %s", name, strerror(errno));
	return EXIT_OS;
}

static void
release_pidfile(struct pidfile *p, const char *path)
{
	if (!pidfile_release(p))
		log_warn("pidfile: cannot remove %s: %s", path, strerror(errno));
}

/* Files of the service that its user cannot remove at the end: said at the start. */
static void
warn_of_folders(const struct conf *c, const struct listener *l, const struct listener *admin,
    const struct listener *metrics)
{
	const struct {
		const char *key, *path;
	} files[] = { { "listen", l->path }, { "admin_listen", admin->path },
		{ "metrics_listen", metrics->path }, { "pidfile", c->pidfile } };

	for (size_t i = 0; i < COUNTOF(files); i++) {
		const char *path = files[i].path ? files[i].path : "";
		const char *slash = strrchr(path, '/');
		char       *folder;

		if (!slash)
			continue;
		folder = must_strdup(path);
		folder[slash == path ? 1 : slash - path] = '\0';
		if (access(folder, W_OK) == -1)
			log_warn("%s: %s will be left behind at the end: this user may not write "
				 "to the folder %s", files[i].key, path, folder);
		free(folder);
	}
}

static void
announce(const struct conf *c, const struct listener *l, const struct listener *admin,
    const struct listener *metrics)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
	int   most = 0;

	log_info("%s is listening on %s", PACKAGE_STRING,
	    l->inherited ? "an inherited socket" : l->path ? l->path : c->listen);
	if (l->alone && (admin->fd != -1 || metrics->fd != -1))
		log_warn("ignoring %s: without a supervisor there is no admin process",
		    admin->fd != -1 ? "admin_listen" : "metrics_listen");
	if (l->alone && c->clerk)
		log_info("without a supervisor there is no clerk; another host should run one");
	if (!l->alone && admin->fd != -1)
		log_info("the admin process is listening on %s", c->admin_listen);
	if (!l->alone && metrics->fd != -1)
		log_info("the admin process tells status and metrics on %s", c->metrics_listen);
	if (f && fscanf(f, "%9d", &most) == 1 && most < c->listen_backlog)
		log_warn("listen_backlog = %d, but net.core.somaxconn allows only %d",
		    (int)c->listen_backlog, most);
	if (f)
		fclose(f);
}

typedef bool open_fn(struct listener *l, const struct conf *c, struct buf *err);

/* A socket of the admin process: without it the service serves, too. */
static void
inherit_own(const struct conf *c, const struct handover *h, const char *name, open_fn *open_new,
    struct listener *l, struct buf *err)
{
	struct conf hasty = *c; /* the service waits for its supervisor */
	bool        made;
	int         fd = handover_socket(h, name, &made);
	size_t      before = err->len;

	hasty.shutdown_timeout_ms = 0;
	if (fd == -1 ? open_new(l, &hasty, err) : listener_inherit(l, fd, made, err))
		return;
	log_error("no %s socket: %.*s", name, STR_ARGS(buf_view(err)));
	err->len = before;
	*l = (struct listener) { .fd = -1 };
}

/* The sockets of the program before an upgrade. */
static bool
inherit(const struct conf *c, const struct handover *h, struct listener *l,
    struct listener *admin, struct listener *metrics, struct buf *err)
{
	bool made;
	int  fd = handover_socket(h, "listen", &made);

	if (!listener_inherit(l, fd, made && !h->rehearsal, err))
		return false;
	if (h->rehearsal)
		return true;
	inherit_own(c, h, "admin", listener_open_admin, admin, err);
	inherit_own(c, h, "metrics", listener_open_metrics, metrics, err);
	return true;
}

static void
drop_listener(struct listener *l)
{
	listener_remove_file(l);
	listener_close(l);
}

/* The lock ended with the program that had it. Without the file the service goes on. */
static void
take_again(struct pidfile *p, const char *path)
{
	struct buf err;

	buf_init(&err, 1024);
	if (!pidfile_take(p, path, &err))
		log_error("%.*s", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
}

/*
 * The sockets, the pidfile and the log, and what only the first image of a process has to do.
 * Returns an exit code, and not 0 with a sentence in err.
 */
static int
prepare(const struct conf *c, const struct handover *h, struct listener *l,
    struct listener *admin, struct listener *metrics, struct pidfile *pidfile, struct buf *err)
{
	enum log_format format = (enum log_format)c->log_format;
	int             code = EXIT_CONFIG;

	*l = *admin = *metrics = (struct listener) { .fd = -1 };
	*pidfile = (struct pidfile) { .fd = -1 };
	if (h->pid) {
		if (!inherit(c, h, l, admin, metrics, err) || !log_open(c->log, format, err))
			return EXIT_CONFIG;
		if (!h->rehearsal)
			take_again(pidfile, c->pidfile);
		return 0;
	}
	/* The log's file belongs to the user, because it will have to be opened again. */
	if (!pidfile_take(pidfile, c->pidfile, err))
		code = pidfile->holder ? EXIT_BUSY : EXIT_CONFIG;
	else if (!listener_open(l, c, err))
		code = l->code;
	else if (!listener_open_admin(admin, c, err))
		code = admin->code;
	else if (!listener_open_metrics(metrics, c, err))
		code = metrics->code;
	else if ((code = become_user(c->user, pidfile, err)) == 0) {
		code = log_open(c->log, format, err) ? 0 : EXIT_CONFIG;
		if (code == 0) {
			warn_of_folders(c, l, admin, metrics);
			return 0;
		}
	}
	drop_listener(metrics);
	drop_listener(admin);
	drop_listener(l);
	release_pidfile(pidfile, c->pidfile);
	return code;
}

/* Without a supervisor: the program that passed the socket starts and watches the processes. */
static int
run_alone(const struct conf *c, struct listener *l)
{
	struct heritage h;
	struct allow    allow;
	struct buf      err;
	int             code = EXIT_CONFIG;

	heritage_init(&h);
	buf_init(&err, 1024);
	if (allow_parse(c->listen_allow, &allow, &err)) {
		h.conf = c;
		h.allow = &allow;
		h.stats = stats_new(1);
		h.buckets = buckets_new();
		if (c->requests_kept)
			h.requests = requests_new((size_t)c->requests_kept);
		h.fd[HERITAGE_LISTEN] = l->fd;
		l->fd = -1; /* the worker's now */
		buckets_configure(h.buckets, rate_unpack((uint64_t)c->rate_limit));
		log_init("worker", (enum log_level)c->log_level);
		code = worker_run(&h);
		buckets_free(h.buckets);
		requests_free(h.requests);
		stats_free(h.stats);
	} else
		log_error("%.*s", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
	return code;
}

int
cmd_serve(struct cmd_context *ctx, int argc, char **argv)
{
	static struct handover handover;

	struct conf     *c = &ctx->conf;
	struct listener  listener, admin, metrics;
	struct upgrade   upgrade;
	struct pidfile   pidfile;
	struct supervisor_args what = {
		.listener = &listener,
		.admin = &admin,
		.metrics = &metrics,
		.conf = c,
		.load = load_again,
		.load_with = ctx,
		.handover = &handover,
		.upgrade = &upgrade,
	};
	struct buf       err;
	char            *path = NULL;
	int              code;

	if (argc > 1)
		return cmd_usage("serve does not know \"%s\"", argv[1]);
	if (handover_take(&handover) && handover.rehearsal)
		log_init("rehearsal", (enum log_level)c->log_level);
	buf_init(&err, 4096);
	/* The service outlives the reader of its log, and a log that may not grow. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (!log_open("stderr", (enum log_format)c->log_format, &err) || !scale_check(c, &err)
	    || !checkout_check(c, &err))
		code = EXIT_CONFIG;
	else if (errno = 0, !listener_check(c, &err))
		code = errno == EAGAIN ? EXIT_BUSY : EXIT_CONFIG;
	else
		code = prepare(c, &handover, &listener, &admin, &metrics, &pidfile, &err);
	if (code == 0) {
		path = must_strdup(c->pidfile); /* a copy: a reload replaces c */
		upgrade_init(&upgrade, ctx->argv);
		announce(c, &listener, &admin, &metrics);
		code = listener.alone ? run_alone(c, &listener) : supervisor_run(&what);
		upgrade_fini(&upgrade);
		release_pidfile(&pidfile, path);
		free(path);
		drop_listener(&metrics);
		drop_listener(&admin);
		drop_listener(&listener);
	}
	if (err.len) {
		log_error("%.*s", STR_ARGS(buf_view(&err)));
		handover_tell(&handover, buf_view(&err));
	}
	buf_fini(&err);
	return code;
}
