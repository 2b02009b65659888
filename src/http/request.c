/* A request as plain data: the names of its parts. */
#include "http/request.h"

const char *const method_names[METHOD__COUNT] = {
	[METHOD_GET] = "GET",
	[METHOD_HEAD] = "HEAD",
	[METHOD_POST] = "POST",
	[METHOD_PUT] = "PUT",
	[METHOD_PATCH] = "PATCH",
	[METHOD_DELETE] = "DELETE",
	[METHOD_OTHER] = "",
};

const char *const header_names[HEADER__COUNT] = {
#define HEADER(name, wire, param) [HEADER_##name] = wire,
	HEADER_LIST(HEADER)
#undef HEADER
};

const char *const header_params[HEADER__COUNT] = {
#define HEADER(name, wire, param) [HEADER_##name] = param,
	HEADER_LIST(HEADER)
#undef HEADER
};

enum method
method_find(struct str name)
{
	for (enum method m = 0; m < METHOD_OTHER; m++)
		if (str_is(name, method_names[m]))
			return m;
	return METHOD_OTHER;
}
