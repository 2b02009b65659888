/* Calls of the API that an operator makes on the command line. */
#include "cli/operate.h"
#include "app/app.h"
#include "auth/permit.h"
#include "base/limits.h"
#include "call/call.h"
#include "json/jwrite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Of any answer. */
static const struct jlimits limits = { 255, SIZE_MAX };

/* ---- the answer ---- */

static struct str
text_of(struct owner *o, const struct jdoc *doc, const struct jnode *object, const char *name)
{
	const struct jnode *n = jread_member(doc, object, str_of(name));

	return n && n->type == JTYPE_STRING ? jread_string(&o->arena, doc, n) : STR_NONE;
}

/* "email must be an e-mail address; fullName must have at most 200 characters." */
static int
say_faults(struct owner *o, const struct jdoc *doc, const struct jnode *details)
{
	struct str all = STR("");

	for (const struct jnode *n = jread_first(doc, details); n; n = jread_next(doc, n))
		all = arena_fmt(&o->arena, "%.*s%s%.*s %.*s", STR_ARGS(all), all.len ? "; " : "",
		    STR_ARGS(text_of(o, doc, n, "field")),
		    STR_ARGS(text_of(o, doc, n, "message")));
	return cmd_fail(EXIT_DATA, "%.*s.", STR_ARGS(all));
}

static int
say_problem(struct owner *o, const struct jdoc *doc, int status)
{
	const struct jnode *details = jread_member(doc, doc->nodes, STR("details"));

	if (status == 400 && details && details->type == JTYPE_ARRAY)
		return say_faults(o, doc, details);
	return cmd_fail(status == 404 ? EXIT_UNKNOWN : status < 500 ? EXIT_DATA : EXIT_DATABASE,
	    "%.*s", STR_ARGS(text_of(o, doc, doc->nodes, "message")));
}

static int
read_answer(struct owner *o, const struct response *res, struct operate_answer *out)
{
	struct jread_error why;
	struct str         body = arena_str(&o->arena, buf_view(&res->body));

	if (!jread_parse(&o->arena, body, &limits, &out->doc, &why))
		return cmd_fail(EXIT_DEFECT, "the answer is not JSON: %s.", why.what);
	if (res->status >= 400)
		return say_problem(o, &out->doc, res->status);
	out->result = arena_str(&o->arena, response_find_header(res, "Clientele-Result"));
	out->merged = arena_str(&o->arena, response_find_header(res, "Clientele-Merged"));
	return 0;
}

/* ---- the call ---- */

int
operate(struct owner *o, const struct owner_environment *e, enum method method, struct str path,
    struct str body, struct operate_answer *out)
{
	static struct stats_slot slot; /* nobody reads it */
	const struct tenant tenant = { .environment = e->id, .livemode = e->livemode,
		.permissions = PERMIT_ALL };
	struct app         *app = app_new(o->conf, &slot, NULL);
	struct request      req = {
		.arena = &o->arena,
		.method = method,
		.uri = arena_fmt(&o->arena, "/api/v1/%.*s", STR_ARGS(path)),
		.body = body,
		.body_too_large = body.len > (size_t)o->conf->body_max_bytes,
		.queue_us = -1,
		.header = { [HEADER_PREFER] = STR("handling=strict") },
		.header_count = { [HEADER_PREFER] = 1 },
	};
	struct response res;
	struct facts    facts;
	int             code;

	response_init(&res);
	app_operate(app, o->db, &tenant, &req, &res, &facts);
	code = read_answer(o, &res, out);
	response_fini(&res);
	app_free(app);
	return code;
}

struct str
operate_path(struct owner *o, const char *base, struct str text)
{
	size_t len = strlen(base);
	char  *path = ARENA_NEW(&o->arena, char, len + 3 * text.len + 1);

	memcpy(path, base, len);
	return (struct str) { path, (size_t)(str_put_escaped(path + len, text) - path) };
}

/* ---- the body ---- */

int
operate_pair(const char *word, const char *what, struct str *name, struct str *value)
{
	*value = str_of(word);
	*name = str_cut(value, '=');
	if (value->ptr && name->len)
		return 0;
	return cmd_usage("\"%s\" is not %s=VALUE.", word, what);
}

/* One byte more than a body may have shows that it is too large. */
static int
read_standard_input(struct owner *o, struct str *out)
{
	size_t  most = (size_t)o->conf->body_max_bytes + 1, len = 0;
	char   *text = ARENA_NEW(&o->arena, char, most);
	ssize_t n;

	do
		n = read(STDIN_FILENO, text + len, most - len);
	while (n == -1 ? errno == EINTR : n > 0 && (len += (size_t)n) < most);
	if (n == -1)
		return cmd_fail(EXIT_DATA, "standard input could not be read: %s.",
		    strerror(errno));
	*out = (struct str) { text, len };
	return 0;
}

/* *json: it is "FIELD:=JSON". */
static int
read_member(const char *word, struct str *name, struct str *value, bool *json)
{
	int code = operate_pair(word, "FIELD", name, value);

	*json = code == 0 && name->ptr[name->len - 1] == ':';
	name->len -= *json;
	return code;
}

/* Words before this one were read well. */
static bool
is_repeated(char **words, char **word, struct str name)
{
	struct str earlier, value;
	bool       json;

	while (words < word)
		if (read_member(*words++, &earlier, &value, &json) == 0 && str_eq(earlier, name))
			return true;
	return false;
}

static int
add_member(struct owner *o, char **words, char **word, struct buf *body)
{
	struct jread_error why = { .what = "" };
	struct jdoc        doc;
	struct str         name, value;
	bool               json;
	int                code = read_member(*word, &name, &value, &json);

	if (code != 0)
		return code;
	if (is_repeated(words, word, name))
		return cmd_usage("%.*s is given twice.", STR_ARGS(name));
	if (json && !jread_parse(&o->arena, value, &limits, &doc, &why))
		return cmd_fail(EXIT_DATA, "%.*s is not valid JSON at byte %zu: %s.",
		    STR_ARGS(name), why.offset, value.len ? why.what : "it is empty");
	buf_str(body, body->len ? STR(",") : STR("{"));
	AUTO_JSON struct json_object *key = jwrite_str(name);
	AUTO_JSON struct json_object *text = json ? jwrite_raw(value) : jwrite_str(value);
	jwrite_text(key, body);
	buf_str(body, STR(":"));
	jwrite_text(text, body);
	return 0;
}

int
operate_body(struct owner *o, char **words, struct str *out)
{
	struct buf body;
	int        code = 0;

	if (strcmp(words[0], "-") == 0 && !words[1])
		return read_standard_input(o, out);
	buf_init(&body, SIZE_MAX / 2);
	for (char **word = words; *word && code == 0; word++)
		code = add_member(o, words, word, &body);
	buf_str(&body, STR("}"));
	*out = arena_str(&o->arena, buf_view(&body));
	buf_fini(&body);
	return code;
}

/* ---- rows ---- */

void
operate_row(struct listing *l, const struct jdoc *doc, const struct jnode *object)
{
	struct str *cells = listing_row(l);

	for (size_t c = 0; c < l->width; c++) {
		const struct jnode *n = jread_member(doc, object, str_of(l->columns[c]));

		cells[c] = STR_NONE;
		if (!n || n->type == JTYPE_NULL)
			continue;
		cells[c] = n->type == JTYPE_STRING
		    ? jread_string(l->arena, doc, n) : jread_raw(doc, n);
		if (n->type != JTYPE_STRING)
			l->raw |= 1u << c;
	}
}
