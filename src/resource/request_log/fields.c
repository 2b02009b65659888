/* What is shown of a request. */
#include "resource/request_log/request_log.h"

#define FIELD_STRUCT struct logged

bool
logged_find(const struct call *c, uint64_t *before, struct logged *out)
{
	const struct requests_entry *kept = &out->kept;

	while (c->requests && requests_find(c->requests, &c->tenant.environment, before,
				  &out->kept, out->text))
		if (kept->error < ERR__COUNT && kept->method < METHOD__COUNT
		    && kept->version < V__COUNT)
			return true;
	return false;
}

void
logged_derive(struct logged *out)
{
	const struct requests_entry *kept = &out->kept;
	enum err                     error = (enum err)kept->error;

	out->method = str_of(method_names[kept->method]);
	out->version = str_of(version_info((enum version)kept->version)->name);
	out->code = error == ERR_OK ? STR_NONE : str_of(err_info(error)->code);
	out->created_ms = kept->arrived_us / 1000;
	out->status = kept->status;
}

static struct str
actor_type(struct call *c UNUSED, const void *what)
{
	return ((const struct logged *)what)->kept.user ? STR("user") : STR("api_key");
}

static struct str
actor_id(struct call *c, const void *what)
{
	const struct requests_entry *kept = &((const struct logged *)what)->kept;

	return id_prefixed(kept->user ? STR("usr_") : STR("key_"), &kept->actor,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static const struct field_out actor_out[] = {
	{ FIELD_OURS("type", MADE), REQUEST_SHOWN, V_FIRST, V_ENDLESS, actor_type },
	{ FIELD_OURS("id", MADE), REQUEST_SHOWN, V_FIRST, V_ENDLESS, actor_id },
};

static const struct fields *const parts[] = {
	&(const struct fields) { .out = actor_out, .out_count = COUNTOF(actor_out) },
};

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", TEXT, kept.id), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("method", TEXT, method), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("path", TEXT, kept.path), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("status", INT, status), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("code", TEXT, code), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("durationMs", MS, kept.took_us), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_PART("actor", 0), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("version", TEXT, version), REQUEST_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

const struct fields request_fields = {
	.object = "request",
	.missing = ERR_REQUEST_NOT_FOUND,
	.missing_message = "There is no request with this id among the last ones that this host "
	                   "has answered; only these are kept.",
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.size = sizeof(struct logged),
	.parts = parts,
};
