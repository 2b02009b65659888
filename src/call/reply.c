/* Answers: envelopes and errors. */
#include "call/reply.h"
#include "base/limits.h"
#include "call/ignored.h"
#include "http/html.h"
#include "json/jwrite.h"

enum err
reply_one(struct call *c, int status, struct json_object *value)
{
	c->res->status = status;
	if (version_info(c->version)->envelope == ENVELOPE_BARE) {
		c->reply = value;
		return ERR_OK;
	}
	c->reply = jwrite_object();
	jwrite_put(c->reply, "success", jwrite_bool(true));
	jwrite_put(c->reply, "data", value);
	return ERR_OK;
}

enum err
reply_not_modified(struct call *c)
{
	c->res->status = 304;
	c->res->kind = RESPONSE_NONE;
	return ERR_OK;
}

enum err
reply_list(struct call *c, struct json_object *array, struct str next_cursor)
{
	bool bare = version_info(c->version)->envelope == ENVELOPE_BARE;

	c->res->status = 200;
	c->reply = jwrite_object();
	/* A bare list has no "success": three clients unwrap every object with that and "data". */
	if (bare)
		jwrite_put(c->reply, "object", jwrite_str(STR("list")));
	else
		jwrite_put(c->reply, "success", jwrite_bool(true));
	jwrite_put(c->reply, "data", array);
	jwrite_put(c->reply, "hasMore", jwrite_bool(next_cursor.ptr));
	if (next_cursor.ptr)
		jwrite_put(c->reply, "nextCursor", jwrite_str(next_cursor));
	if (bare)
		return ERR_OK;
	/* Java's clients of these versions read no other spelling. */
	jwrite_put(c->reply, "has_more", jwrite_bool(next_cursor.ptr));
	if (next_cursor.ptr)
		jwrite_put(c->reply, "next_cursor", jwrite_str(next_cursor));
	return ERR_OK;
}

static struct json_object *
details(const struct problem *p)
{
	struct json_object *array;

	if (p->details == 0)
		return p->facts.ptr ? jwrite_raw(p->facts) : NULL;
	array = jwrite_array();
	for (size_t i = 0; i < p->details; i++) {
		struct json_object *detail = jwrite_object();

		jwrite_put(detail, "field", jwrite_str(str_of(p->detail[i].field)));
		jwrite_put(detail, "message", jwrite_str(str_of(p->detail[i].message)));
		jwrite_push(array, detail);
	}
	return array;
}

/* {field: [message, ...]}, as the oldest clients read it. */
static struct json_object *
errors_by_field(const struct problem *p)
{
	struct json_object *errors = jwrite_object();

	for (size_t i = 0; i < p->details; i++) {
		struct json_object *messages;
		bool                seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = strcmp(p->detail[k].field, p->detail[i].field) == 0;
		if (seen)
			continue;
		messages = jwrite_array();
		for (size_t k = i; k < p->details; k++)
			if (strcmp(p->detail[k].field, p->detail[i].field) == 0)
				jwrite_push(messages, jwrite_str(str_of(p->detail[k].message)));
		jwrite_put(errors, p->detail[i].field, messages);
	}
	return errors;
}

struct json_object *
reply_problem(struct call *c, const struct problem *p)
{
	const struct err_info *info = err_info(p->code);
	struct json_object    *error = jwrite_object();

	jwrite_put(error, "type", jwrite_str(str_of(info->type)));
	jwrite_put(error, "code", jwrite_str(str_of(info->code)));
	jwrite_put(error, "message", jwrite_str(str_of(p->message)));
	jwrite_put(error, "param", jwrite_str(str_of(p->param)));
	jwrite_put(error, "details", details(p));
	jwrite_put(error, "doc_url",
	    jwrite_str(arena_fmt(c->arena, "%s/api-reference/%s/errors/%s.md",
		c->conf->public_url, version_info(c->version)->name, info->code)));
	return error;
}

static struct json_object *
problem_body(struct call *c)
{
	const struct problem  *p = &c->problem;
	const struct err_info *info = err_info(p->code);
	struct json_object    *body = jwrite_object();

	jwrite_put(body, "success", jwrite_bool(false));
	jwrite_put(body, "code", jwrite_str(str_of(info->code)));
	jwrite_put(body, "message", jwrite_str(str_of(p->message)));
	jwrite_put(body, "details", details(p));
	if (c->legacy_path && info->status == 400)
		jwrite_put(body, "errors", errors_by_field(p));
	jwrite_put(body, "error", reply_problem(c, p));
	return body;
}

static void
write_json(struct call *c, struct json_object *value)
{
	jwrite_text(value, &c->res->body);
	jwrite_free(value);
}

static struct str
page_title(const struct err_info *info)
{
	switch (info->status) {
	case 404:
		return STR("Not found");
	case 429:
	case 503:
		return STR("Not available at the moment");
	default:
		return info->status < 500 ? STR("This did not work") : STR("Something went wrong");
	}
}

static void
write_page(struct call *c)
{
	struct response *res = c->res;
	struct str       title = page_title(err_info(c->problem.code));

	html_begin(res, HTML_FORMS_NONE, title);
	html_raw(res, "<h1>");
	html_text(res, title);
	html_raw(res, "</h1>\n<p>");
	html_text(res, str_of(c->problem.message));
	html_raw(res, "</p>\n");
	html_end(res);
}

static void
render_problem(struct call *c)
{
	struct problem *p = &c->problem;

	/* Contract: a validation_error always names at least one field. */
	if (p->code == ERR_VALIDATION && p->details == 0)
		call_field(c, p->param ? p->param : "request", p->message);
	c->res->status = err_info(p->code)->status;
	if (p->allow.ptr)
		response_header(c->res, "Allow", p->allow);
	if (p->retry_after_s)
		response_header(c->res, "Retry-After",
		    arena_fmt(c->arena, "%jd", (intmax_t)p->retry_after_s));
	if (c->site)
		write_page(c);
	else
		write_json(c, problem_body(c));
}

/* What the answer is not about, and what it does because the client asked for it. */
static void
add_notes(struct call *c)
{
	if (c->ignored)
		response_header(c->res, "Clientele-Ignored", ignored_text(c));
	if (c->applied)
		response_header(c->res, "Preference-Applied",
		    prefer_text(c->applied, ARENA_NEW(c->arena, char, PREFER_TEXT_BYTES)));
}

enum err
reply_render(struct call *c, enum err code)
{
	if (c->rendered)
		return code;
	if (code == ERR_OK && c->res->kind == RESPONSE_JSON)
		write_json(c, c->reply);
	else
		jwrite_free(c->reply);
	c->reply = NULL;
	if (code == ERR_OK && c->res->body.full) {
		/* Only a page of the largest rows comes near the limit. Half a text is no JSON. */
		buf_reset(&c->res->body, 0);
		c->problem = (struct problem) { 0 };
		code = call_fail(c, ERR_INTERNAL, NULL, "The answer is too large.");
	}
	if (code != ERR_OK)
		render_problem(c);
	add_notes(c);
	c->rendered = true;
	return code;
}

void
reply_forget(struct call *c)
{
	jwrite_free(c->reply);
	c->reply = NULL;
	c->rendered = false;
	c->res->status = 0;
	c->res->headers = c->headers;
	buf_reset(&c->res->body, RESPONSE_KEEP_BYTES);
	c->problem = (struct problem) { 0 };
}
