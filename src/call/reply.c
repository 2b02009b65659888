/* Answers: envelopes and errors. */
#include "call/reply.h"
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
reply_list(struct call *c, struct json_object *array, struct str next_cursor)
{
	c->res->status = 200;
	c->reply = jwrite_object();
	/* A bare list has no "success": three clients unwrap whatever has both that and "data". */
	if (version_info(c->version)->envelope == ENVELOPE_BARE)
		jwrite_put(c->reply, "object", jwrite_str(STR("list")));
	else
		jwrite_put(c->reply, "success", jwrite_bool(true));
	jwrite_put(c->reply, "data", array);
	jwrite_put(c->reply, "hasMore", jwrite_bool(next_cursor.ptr));
	if (next_cursor.ptr)
		jwrite_put(c->reply, "nextCursor", jwrite_str(next_cursor));
	return ERR_OK;
}

static struct json_object *
details(const struct problem *p)
{
	struct json_object *array;

	if (p->details == 0)
		return NULL;
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
		bool                told = false;

		for (size_t k = 0; k < i && !told; k++)
			told = strcmp(p->detail[k].field, p->detail[i].field) == 0;
		if (told)
			continue;
		messages = jwrite_array();
		for (size_t k = i; k < p->details; k++)
			if (strcmp(p->detail[k].field, p->detail[i].field) == 0)
				jwrite_push(messages, jwrite_str(str_of(p->detail[k].message)));
		jwrite_put(errors, p->detail[i].field, messages);
	}
	return errors;
}

static struct json_object *
problem_body(struct call *c)
{
	const struct problem  *p = &c->problem;
	const struct err_info *info = err_info(p->code);
	struct json_object    *body = jwrite_object();
	struct json_object    *error = jwrite_object();

	jwrite_put(error, "type", jwrite_str(str_of(info->type)));
	jwrite_put(error, "code", jwrite_str(str_of(info->code)));
	jwrite_put(error, "message", jwrite_str(str_of(p->message)));
	jwrite_put(error, "param", jwrite_str(str_of(p->param)));
	jwrite_put(error, "details", details(p));
	jwrite_put(error, "doc_url",
	    jwrite_str(arena_fmt(c->arena, "%s/api-reference/%s/errors/%s.md", c->settings->docs_base_url,
	        version_info(c->version)->name, info->code)));
	jwrite_put(body, "success", jwrite_bool(false));
	jwrite_put(body, "code", jwrite_str(str_of(info->code)));
	jwrite_put(body, "message", jwrite_str(str_of(p->message)));
	jwrite_put(body, "details", details(p));
	if (c->legacy_path && info->status == 400)
		jwrite_put(body, "errors", errors_by_field(p));
	jwrite_put(body, "error", error);
	return body;
}

void
reply_send(struct call *c, enum err code)
{
	struct response *res = c->res;

	if (code != ERR_OK) {
		/* Contract: a validation_error always tells at least one field. */
		if (code == ERR_VALIDATION && c->problem.details == 0)
			call_field(c, c->problem.param ? c->problem.param : "request", c->problem.message);
		jwrite_free(c->reply);
		c->reply = problem_body(c);
		res->status = err_info(code)->status;
		if (c->problem.allow.ptr)
			response_header(res, "Allow", c->problem.allow);
		if (c->problem.retry_after_s)
			response_header(res, "Retry-After",
			    arena_fmt(c->arena, "%jd", (intmax_t)c->problem.retry_after_s));
	}
	jwrite_text(c->reply, &res->body);
	jwrite_free(c->reply);
	c->reply = NULL;
	if (!res->body.full)
		return;
	/* Only a page of the largest customers could come near; better no half JSON. */
	buf_reset(&res->body, 0);
	c->problem = (struct problem) { 0 };
	call_fail(c, ERR_INTERNAL, NULL, "The answer is too large.");
	res->status = err_info(ERR_INTERNAL)->status;
	c->reply = problem_body(c);
	jwrite_text(c->reply, &res->body);
	jwrite_free(c->reply);
	c->reply = NULL;
}
