/* The one list of failures. */
#include "base/err.h"

#include <assert.h>

static const struct err_info infos[ERR__COUNT] = {
	[ERR_OK] = { 200, "ok", "", "no error" },
#define ERR(name, status, code, type, what) [ERR_##name] = { status, code, type, what },
#include "base/err_gen.def"
#undef ERR
};

const struct err_info *
err_info(enum err e)
{
	assert(e < ERR__COUNT);
	return &infos[e];
}
