/* What the commands that change tenants share. */
#include "cli/owner.h"
#include "base/clock.h"

void
owner_init(struct owner *o, const struct conf *conf)
{
	o->db = db_new(conf, DB_OWNER);
	arena_init(&o->arena);
}

void
owner_fini(struct owner *o)
{
	db_free(o->db);
	arena_fini(&o->arena);
}

int
owner_run(struct tx *tx)
{
	switch (tx_run(tx)) {
	case DB_OK:
		return 0;
	case DB_GONE:
		log_error("the database cannot be reached (%s)", tx->log);
		return EXIT_DATABASE;
	case DB_UNIQUE:
	case DB_LOCKED:
	case DB_TIMEOUT:
	case DB_FAILED:
		break;
	}
	log_error("%s%s", tx->log, tx->constraint[0] == '\0'
	    ? "; is database_owner_url the owner's, and has clientele migrate been run?" : "");
	return EXIT_CONFIG;
}

struct str
owner_id(struct owner *o, struct str prefix, const struct id *id)
{
	return id_prefixed(prefix, id, ARENA_NEW(&o->arena, char, ID_PREFIXED_BYTES));
}

struct str
owner_time(struct owner *o, const struct row *r, int column)
{
	char text[CLOCK_ISO_BYTES + 1];

	if (row_is_null(r, column))
		return STR_NONE;
	clock_iso(row_time(r, column), text);
	return arena_str(&o->arena, str_of(text));
}

int
owner_environments(struct owner *o, struct str name, struct owner_environment **out, size_t *count)
{
	struct tx tx;
	int       code;

	tx_init(&tx, o->db, &o->arena);
	bind_text(tx_step(&tx, SQL_ENVIRONMENT_LIST), name);
	if ((code = owner_run(&tx)) != 0)
		return code;
	*count = tx_rows(&tx, 0);
	if (name.ptr && *count == 0) {
		log_error("there is no organization %.*s", STR_ARGS(name));
		return EXIT_USAGE;
	}
	*out = ARENA_NEW(&o->arena, struct owner_environment, *count);
	for (size_t i = 0; i < *count; i++) {
		struct row row = tx_row(&tx, 0, i);

		(*out)[i].id = row_id(&row, COL_ENVIRONMENT_LIST_ID);
		(*out)[i].livemode = row_bool(&row, COL_ENVIRONMENT_LIST_LIVEMODE);
		(*out)[i].organization = arena_str(&o->arena,
		    row_text(&row, COL_ENVIRONMENT_LIST_NAME));
	}
	return 0;
}
