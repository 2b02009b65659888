/* What the commands that look at tenants or change them share. */
#include "cli/owner.h"
#include "base/clock.h"
#include "db/row.h"

void
owner_init(struct owner *o, const struct conf *conf)
{
	o->conf = conf;
	o->db = db_new(conf, DB_OWNER);
	arena_init(&o->arena);
}

void
owner_fini(struct owner *o)
{
	db_free(o->db);
	arena_fini(&o->arena);
}

/* Failures that a person can mend; the first row counts with which the SQLSTATE begins. */
static const struct {
	const char *sqlstate, *sentence;
} cures[] = {
	{ "42501", "database_owner_url connects as a role that may not do this; it must be the "
		   "owner of the tables, clientele_owner." },
	{ "42", "the schema is missing or of another version: run clientele migrate." },
	{ "3F", "the schema is missing or of another version: run clientele migrate." },
	{ "25006", "the database is read-only, as a standby is; database_owner_url must lead to "
		   "the primary." },
};

static int
explain(const struct tx *tx)
{
	for (size_t i = 0; i < COUNTOF(cures); i++)
		if (str_starts(str_of(tx->sqlstate), str_of(cures[i].sqlstate)))
			return cmd_fail(EXIT_CONFIG, "%s", cures[i].sentence);
	return cmd_fail(EXIT_CONFIG, "the database refused it; its log says why (%s).", tx->log);
}

int
owner_failed(const struct tx *tx, enum db_status status)
{
	const char *undone = tx->reads ? "" : "; nothing was done";
	const char *why = db_why(tx->db);

	if (tx->outcome == TX_UNKNOWN)
		return cmd_fail(EXIT_DATABASE, "the connection to the database was lost, and "
		    "whether it was done is not known; look before you try again.");
	switch (status) {
	case DB_GONE:
		return cmd_fail(EXIT_DATABASE, "%s%s.",
		    why[0] ? why : "the connection to the database was lost", undone);
	case DB_LOCKED:
		return cmd_fail(EXIT_DATABASE, "another transaction holds what this needs%s; try "
		    "again.", undone);
	case DB_TIMEOUT:
		return cmd_fail(EXIT_DATABASE, "the database took too long%s; try again.", undone);
	case DB_OK:
	case DB_UNIQUE:
	case DB_FAILED:
		break;
	}
	return explain(tx);
}

int
owner_run(struct tx *tx)
{
	enum db_status status = tx_run(tx);

	return status == DB_OK ? 0 : owner_failed(tx, status);
}

int
owner_read_id(const struct owner_noun *n, const char *text, struct id *out)
{
	if (id_parse(n->prefix, str_of(text), out))
		return 0;
	return cmd_usage("\"%s\" is not %s %s id (%.*s and %d characters); clientele %s list shows "
	    "them.", text, n->a, n->name, STR_ARGS(n->prefix), ID_TEXT_BYTES, n->name);
}

int
owner_unknown(const struct owner_noun *n, struct str text)
{
	return cmd_fail(EXIT_UNKNOWN, "there is no %s \"%.*s\".", n->name, STR_ARGS(text));
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

struct str
owner_number(struct owner *o, int64_t n)
{
	return arena_fmt(&o->arena, "%jd", (intmax_t)n);
}

struct str
owner_environment_name(const struct owner_environment *e)
{
	return e->livemode ? STR("live") : STR("sandbox");
}

int
owner_unknown_organization(struct str name)
{
	return cmd_fail(EXIT_UNKNOWN,
	    "there is no organization \"%.*s\"; clientele org list shows them.", STR_ARGS(name));
}

int
owner_environments(struct owner *o, struct str name, struct str env,
    struct owner_environment **out, size_t *count)
{
	struct tx tx;
	int       code;

	tx_init(&tx, o->db, &o->arena);
	tx.reads = true;
	bind_text(tx_step(&tx, SQL_ENVIRONMENT_LIST), name);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (name.ptr && tx_rows(&tx, 0) == 0)
		return owner_unknown_organization(name);
	*count = 0;
	*out = ARENA_NEW(&o->arena, struct owner_environment, tx_rows(&tx, 0));
	for (size_t i = 0; i < tx_rows(&tx, 0); i++) {
		struct row                row = tx_row(&tx, 0, i);
		struct owner_environment *e = &(*out)[*count];

		e->id = row_id(&row, COL_ENVIRONMENT_LIST_ID);
		e->livemode = row_bool(&row, COL_ENVIRONMENT_LIST_LIVEMODE);
		e->organization = row_text(&row, COL_ENVIRONMENT_LIST_NAME);
		*count += !env.ptr || str_eq(env, owner_environment_name(e));
	}
	return 0;
}

void
owner_enter(struct owner *o, struct tx *tx, const struct owner_environment *e)
{
	tx_init(tx, o->db, &o->arena);
	owner_enter_in(tx, e);
}

void
owner_enter_in(struct tx *tx, const struct owner_environment *e)
{
	struct bind *b = tx_step(tx, SQL_ENVIRONMENT_ENTER_AS);

	bind_id(b, &e->id);
	bind_text(b, STR("command"));
}

struct bind *
owner_step(struct tx *tx, enum sql_id statement, const struct owner_environment *e)
{
	struct bind *b = tx_step(tx, statement);

	bind_id(b, &e->id);
	return b;
}
