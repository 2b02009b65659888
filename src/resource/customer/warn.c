/* A warning for own ids that client libraries cannot put into a path. */
#include "resource/customer/warn.h"

static bool
is_special(char c)
{
	return c == '#' || c == '?' || c == '%' || c == '/' || c == '\\';
}

/* The blank is dropped only at the end; "." and ".." mean something only alone. */
static bool
arrives(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (is_special(id.ptr[i]))
			return false;
	return id.ptr[id.len - 1] != ' ' && !str_is(id, ".") && !str_is(id, "..");
}

bool
warn_of_id(struct call *c, struct str external_id)
{
	if (external_id.len == 0 || arrives(external_id))
		return false;
	response_header(c->res, "Clientele-Warning",
	    STR("externalId: client libraries do not escape it in paths; use id"));
	return true;
}
