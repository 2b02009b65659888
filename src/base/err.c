/* The one list of failures. */
#include "base/err.h"

#include <assert.h>

static const struct err_info infos[ERR__COUNT] = {
	[ERR_OK] = { 200, "ok", "", "", "" },
#define ERR(name, status, code, type, meaning, advice) \
	[ERR_##name] = { status, code, type, meaning, advice },
#include "base/err_gen.def"
#undef ERR
};

const struct err_info *
err_info(enum err e)
{
	assert(e < ERR__COUNT);
	return &infos[e];
}

enum err
err_find(struct str code, enum err other)
{
	for (enum err e = ERR_OK + 1; e < ERR__COUNT; e++)
		if (str_is(code, infos[e].code))
			return e;
	return other;
}
