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
		return call_fail(c, ERR_INVALID_JSON, NULL,
		    arena_fmt(c->arena, "The body is not valid JSON at byte %zu: %s.",
			b->error.offset, b->error.what).ptr);
	*doc = &b->doc;
	if (is_object(b->doc.nodes, use))
		return ERR_OK;
	call_field(c, "body", "must be a JSON object");
	return call_fields_done(c);
}
