/* The body of a request as a JSON object. */
#include "call/body.h"
#include "base/limits.h"

static const struct jlimits limits = { JSON_DEPTH_MAX, JSON_VALUES_MAX };

void
body_read(struct call *c)
{
	struct body *b = &c->body;

	b->valid = !c->req->body_too_large
	    && jread_parse(c->arena, c->req->body, &limits, &b->doc, &b->error);
}

/* Whether the body is a form, as curl and web pages send it: "name=value&..." or parts. */
static bool
is_form(struct str body)
{
	size_t n = 0;

	if (str_starts(body, STR("--")))
		return true;
	while (n < body.len && (str_is_alnum(body.ptr[n]) || memchr("_-.[]%+", body.ptr[n], 7)))
		n++;
	return n > 0 && n < body.len && body.ptr[n] == '=';
}

/* Says what is not JSON, and where it is plain, what to do. */
static const char *
syntax_fault(struct call *c)
{
	const struct jread_error *error = &c->body.error;
	struct str                body = c->req->body;

	return arena_fmt(c->arena, "The body is not valid JSON at byte %zu: %s.%s", error->offset,
	    body.len == 0 ? "it is empty" : error->what,
	    body.len == 0 ? " Send a JSON object."
	    : is_form(body) ? " Send JSON, not a form." : "").ptr;
}

static bool
is_object(const struct jnode *n, enum body_use use)
{
	return n->type == JTYPE_OBJECT
	    || (use == BODY_MAY_BE_EMPTY && n->type == JTYPE_ARRAY && n->size == 0);
}

enum err
body_object(struct call *c, enum body_use use, const struct jdoc **doc)
{
	struct body *b = &c->body;

	if (c->req->body_too_large)
		return call_fail(c, ERR_TOO_LARGE, NULL, "The body is too large.");
	if (c->req->body.len == 0 && use == BODY_MAY_BE_EMPTY)
		b->valid = jread_parse(c->arena, STR("{}"), &limits, &b->doc, &b->error);
	if (!b->valid)
		return call_fail(c, ERR_INVALID_JSON, NULL, syntax_fault(c));
	*doc = &b->doc;
	if (is_object(b->doc.nodes, use))
		return ERR_OK;
	call_field(c, "body", "must be a JSON object");
	return call_fields_done(c);
}
