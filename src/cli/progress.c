/* How far a command has got. */
#include "cli/progress.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { TELL_AGAIN_MS = 200, BAR = 20 };

void
progress_begin(struct progress *p, int64_t done, int64_t total)
{
	*p = (struct progress) { .from = done, .total = total, .begun_ms = clock_mono_ms() };
	p->shown = isatty(STDERR_FILENO) && total > 0;
}

static void
tell_time(int64_t s)
{
	if (s >= 3600)
		fprintf(stderr, "%jdh%02jdm", (intmax_t)(s / 3600), (intmax_t)(s / 60 % 60));
	else if (s >= 60)
		fprintf(stderr, "%jdm%02jds", (intmax_t)(s / 60), (intmax_t)(s % 60));
	else
		fprintf(stderr, "%jds", (intmax_t)s);
}

void
progress_tell(struct progress *p, int64_t done, const char *more)
{
	int64_t now = clock_mono_ms(), spent = now - p->begun_ms, made = done - p->from;
	int     filled = p->total > 0 ? (int)(done * BAR / p->total) : 0;

	if (!p->shown || (now - p->told_ms < TELL_AGAIN_MS && done < p->total))
		return;
	p->told_ms = now;
	fprintf(stderr, "\r[%.*s%.*s] %3jd%%", filled, "####################", BAR - filled,
	    "....................", (intmax_t)(done * 100 / p->total));
	if (made > 0 && spent > 0) {
		fprintf(stderr, "  %jd/s  ", (intmax_t)(made * 1000 / spent));
		tell_time((p->total - done) * spent / made / 1000);
		fprintf(stderr, " left");
	}
	fprintf(stderr, "  %s\033[K", more);
	fflush(stderr);
}

void
progress_end(const struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
}
