/* Rows as CSV. */
#include "call/csv.h"
#include "base/clock.h"

/* Blanks at the ends, because there are readers that drop them from bare cells. */
static bool
wants_quotes(struct str s)
{
	if (s.len == 0 || s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' ')
		return true;
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == ',' || s.ptr[i] == '"' || str_is_control(s.ptr[i]))
			return true;
	return false;
}

static bool
is_computed(struct str s)
{
	return s.len && memchr("=+-@\t\r", s.ptr[0], 6);
}

static void
add_text(struct buf *out, struct str s, bool neutral)
{
	bool computed = neutral && is_computed(s);

	if (!computed && !wants_quotes(s)) {
		buf_str(out, s);
		return;
	}
	buf_str(out, computed ? STR("\"'") : STR("\""));
	while (s.ptr) {
		buf_str(out, str_cut(&s, '"'));
		if (s.ptr)
			buf_str(out, STR("\"\""));
	}
	buf_str(out, STR("\""));
}

static struct str
iso(int64_t ms, char out[CLOCK_ISO_BYTES + 1])
{
	if (ms == 0)
		return STR_NONE;
	clock_iso(ms, out);
	return (struct str) { out, CLOCK_ISO_BYTES };
}

static void
add_value(struct buf *out, struct call *c, const struct fields *f, const struct field_out *row,
    const void *what, bool neutral)
{
	const void *at = (const char *)what + row->at;
	char        id[ID_PREFIXED_BYTES], time[CLOCK_ISO_BYTES + 1];
	struct str  text = STR_NONE;

	if (row->show == SHOW_TEXT || row->show == SHOW_JSON)
		text = *(const struct str *)at;
	else if (row->show == SHOW_BOOL)
		text = *(const bool *)at ? STR("true") : STR("false");
	else if (row->show == SHOW_TIME)
		text = iso(*(const int64_t *)at, time);
	else if (row->show == SHOW_ID)
		text = id_prefixed(f->prefix, at, id);
	else
		text = row->make(c, what); /* no other kind is in a file */
	if (text.ptr)
		add_text(out, text, neutral);
}

static bool
is_shown(const struct call *c, const struct field_out *row, unsigned view)
{
	return row->views & view && version_has(c->version, row->since, row->until);
}

void
csv_head(struct buf *out, const struct call *c, const struct fields *f, unsigned view)
{
	const char *comma = "";

	for (size_t i = 0; i < f->out_count; i++) {
		if (!is_shown(c, &f->out[i], view))
			continue;
		buf_str(out, str_of(comma));
		buf_str(out, f->out[i].name);
		comma = ",";
	}
	buf_str(out, STR("\r\n"));
}

void
csv_row(struct buf *out, struct call *c, const struct fields *f, const void *what, unsigned view,
    bool neutral)
{
	const char *comma = "";

	for (size_t i = 0; i < f->out_count; i++) {
		if (!is_shown(c, &f->out[i], view))
			continue;
		buf_str(out, str_of(comma));
		add_value(out, c, f, &f->out[i], what, neutral);
		comma = ",";
	}
	buf_str(out, STR("\r\n"));
}
