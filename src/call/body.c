/* The body of a request as a JSON object. */
#include "call/body.h"
#include "base/limits.h"

enum err
body_object(struct call *c, enum body_use use, struct jdoc *doc)
{
	static const struct jlimits limits = { JSON_DEPTH_MAX, JSON_VALUES_MAX };
	struct jread_error why;
	struct str         text = c->req->body;

	if (c->req->body_too_large)
		return call_fail(c, ERR_TOO_LARGE, NULL, "The body is too large.");
	if (text.len == 0 && use == BODY_MAY_BE_EMPTY)
		text = STR("{}");
	if (!jread_parse(c->arena, text, &limits, doc, &why))
		return call_fail(c, ERR_INVALID_JSON, NULL,
		    arena_fmt(c->arena, "The body is not valid JSON at byte %zu: %s.", why.offset, why.what).ptr);
	if (doc->nodes->type == JTYPE_OBJECT
	    || (use == BODY_MAY_BE_EMPTY && doc->nodes->type == JTYPE_ARRAY && doc->nodes->size == 0))
		return ERR_OK;
	call_field(c, "body", "must be a JSON object");
	return call_fields_done(c);
}
