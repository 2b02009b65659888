/* clientele user: people who sign in, and links that let them in. */
#include "auth/account.h"
#include "base/name.h"
#include "base/password.h"
#include "base/utf8.h"
#include "cli/listing.h"
#include "cli/owner.h"

#include <stdio.h>
#include <string.h>

#define USER_ID_PREFIX STR("usr_")

/* What a command was given. */
struct user {
	struct owner *o;
	struct str    email, name; /* name: absent where none was given */
	struct id     organization;
	const char   *hash;      /* of a new password */
	bool          accepted;  /* he need not accept */
	bool          ends_totp; /* the link removes his second factor */
	bool          taken;     /* there is one with a password, or with a role here */
};

/* ---- what was given */

static int
read_email(struct user *u, const char *text)
{
	struct str  s = str_of(text);
	const char *fault = utf8_valid(s) ? account_email(&u->o->arena, s, &u->email)
	                                  : "must be UTF-8";

	return fault ? cmd_fail(EXIT_DATA, "EMAIL %s.", fault) : 0;
}

static int
read_organization(struct user *u, struct str name)
{
	struct tx  tx;
	struct row row;
	int        code;

	tx_init(&tx, u->o->db, &u->o->arena);
	tx.reads = true;
	bind_text(tx_step(&tx, SQL_USER_ORGANIZATION), name);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 0) == 0)
		return owner_unknown_organization(name);
	row = tx_row(&tx, 0, 0);
	u->organization = row_id(&row, COL_USER_ORGANIZATION_ID);
	return 0;
}

/* EMAIL and --org, which most of these commands take. */
static int
read_who(struct cmd_context *ctx, const char *email, struct user *u)
{
	int code;

	*u = (struct user) { .o = ctx->owner };
	code = read_email(u, email);
	return code ? code : read_organization(u, ctx->option[OPTION_ORG]);
}

/* Not an argument: those are in the list of processes. */
static int
read_password(struct user *u)
{
	char       *line = ARENA_NEW(&u->o->arena, char, PASSWORD_MAX_BYTES + 3);
	char       *hash = ARENA_NEW(&u->o->arena, char, PASSWORD_HASH_MAX_BYTES);
	struct str  password;
	const char *fault;

	if (!fgets(line, PASSWORD_MAX_BYTES + 3, stdin))
		return cmd_fail(EXIT_DATA, "the password must come on standard input.");
	line[strcspn(line, "\r\n")] = '\0';
	password = str_of(line);
	fault = utf8_valid(password) ? account_password_fault(password) : "must be UTF-8";
	if (fault)
		return cmd_fail(EXIT_DATA, "the password %s.", fault);
	if (!password_hash(password, hash))
		return cmd_fail(EXIT_OS, "there is no memory to hash the password.");
	u->hash = hash;
	return 0;
}

static int
no_member(const struct user *u)
{
	return cmd_fail(EXIT_UNKNOWN, "there is no user %.*s; clientele user list shows them.",
	    STR_ARGS(u->email));
}

/* ---- what is printed */

static void
print_two(const struct cmd_context *ctx, const struct user *u, const char *member, struct str value)
{
	const char *const columns[] = { "email", member };
	struct listing    listing;
	struct str       *cells;

	listing_init(&listing, &u->o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = u->email;
	cells[1] = value;
	listing_print(&listing, ctx->json);
}

static void
print_link(const struct cmd_context *ctx, const struct user *u, struct str link)
{
	if (ctx->json)
		print_two(ctx, u, "link", link);
	else
		printf("%.*s\n", STR_ARGS(link));
	if (!*ctx->conf.public_url)
		cmd_say("public_url is not set, so the link lacks its beginning.");
}

/* ---- a new one */

static void
bind_join(struct tx *tx, const struct user *u, const char *role)
{
	struct bind *b = tx_step(tx, SQL_USER_JOIN);

	bind_text(b, u->email);
	bind_id(b, &u->organization);
	bind_text(b, str_of(role));
	bind_bool(b, u->accepted);
	bind_text(b, u->name);
}

/* Undoes it all when the last statement but one found nothing to do. */
static bool
was_free(struct tx *tx, void *with)
{
	struct user *u = with;

	for (size_t i = 0; i < tx->steps; i++) {
		enum sql_id id = tx->step[i].id;

		u->taken |= (id == SQL_USER_ADD_PASSWORD || id == SQL_USER_JOIN)
		    && tx_rows(tx, i) == 0;
	}
	return !u->taken;
}

/* The account and his role; a password or a link comes from the caller. */
static int
begin(struct cmd_context *ctx, struct user *u, struct tx *tx)
{
	struct id   *id = ARENA_NEW(&u->o->arena, struct id, 1);
	char         words[NAME_FAULT_BYTES];
	const char  *fault;
	struct bind *b;

	u->name = ctx->option[OPTION_NAME];
	if (u->name.ptr && (fault = name_fault(u->name, ACCOUNT_NAME_MAX_CHARS, words)))
		return cmd_fail(EXIT_DATA, "--name %s.", fault);
	*id = id_new();
	tx_init(tx, u->o->db, &u->o->arena);
	tx->then = was_free;
	tx->with = u;
	b = tx_step(tx, SQL_USER_ADD);
	bind_id(b, id);
	bind_text(b, u->email);
	return 0;
}

int
cmd_user_create(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct user  u;
	struct tx    tx;
	struct bind *b;
	int          code;

	if ((code = read_who(ctx, argv[1], &u)) != 0 || (code = read_password(&u)) != 0
	    || (code = begin(ctx, &u, &tx)) != 0)
		return code;
	u.accepted = true;
	b = tx_step(&tx, SQL_USER_ADD_PASSWORD);
	bind_text(b, u.email);
	bind_text(b, str_of(u.hash));
	bind_text(b, u.name);
	bind_join(&tx, &u, argv[2]);
	code = owner_run(&tx);
	if (u.taken)
		return cmd_fail(EXIT_DATA, "there is a user %.*s already; clientele user invite "
		    "lets him into a further organization.", STR_ARGS(u.email));
	if (code == 0)
		print_two(ctx, &u, "role", str_of(argv[2]));
	return code;
}

static struct str
bind_link(struct tx *tx, struct user *u, enum link_purpose purpose)
{
	unsigned char *hash = ARENA_NEW(&u->o->arena, unsigned char, SHA256_BYTES);
	struct str     secret = account_secret(&u->o->arena, ACCOUNT_LINK_PREFIX, hash);
	struct bind   *b = tx_step(tx, SQL_USER_LINK_ADD);

	bind_text(b, u->email);
	bind_id(b, id_is_nil(&u->organization) ? NULL : &u->organization);
	bind_text(b, (struct str) { (const char *)hash, SHA256_BYTES });
	bind_text(b, str_of(link_infos[purpose].name));
	bind_i64(b, link_infos[purpose].life_ms);
	bind_bool(b, false);
	bind_bool(b, u->ends_totp);
	return account_link(&u->o->arena, u->o->conf, secret);
}

int
cmd_user_invite(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct user u;
	struct tx   tx;
	struct str  link;
	int         code;

	if ((code = read_who(ctx, argv[1], &u)) != 0 || (code = begin(ctx, &u, &tx)) != 0)
		return code;
	bind_join(&tx, &u, argv[2]);
	link = bind_link(&tx, &u, LINK_INVITE);
	code = owner_run(&tx);
	if (u.taken)
		return cmd_fail(EXIT_DATA, "%.*s is a user of this organization already.",
		    STR_ARGS(u.email));
	if (code == 0)
		print_link(ctx, &u, link);
	return code;
}

/* For somebody who is a user already. */
static int
give_link(struct cmd_context *ctx, char **argv, enum link_purpose purpose)
{
	struct user u = { .o = ctx->owner, .ends_totp = ctx->option[OPTION_SECOND_FACTOR].ptr };
	struct tx   tx;
	struct str  link;
	int         code;

	if ((code = read_email(&u, argv[1])) != 0)
		return code;
	tx_init(&tx, u.o->db, &u.o->arena);
	link = bind_link(&tx, &u, purpose);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 0) == 0)
		return no_member(&u);
	print_link(ctx, &u, link);
	return 0;
}

int
cmd_user_link(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return give_link(ctx, argv, LINK_SIGN_IN);
}

int
cmd_user_reset(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return give_link(ctx, argv, LINK_RESET);
}

/* ---- those that there are */

int
cmd_user_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const columns[] = { "id", "organization", "email", "name", "role",
		"state", "since" };
	struct owner  *o = ctx->owner;
	struct user    u = { .o = o };
	struct str     org = ctx->option[OPTION_ORG];
	struct listing listing;
	struct tx      tx;
	int            code = org.ptr ? read_organization(&u, org) : 0;

	if (code)
		return code;
	tx_init(&tx, o->db, &o->arena);
	tx.reads = true;
	bind_text(tx_step(&tx, SQL_USER_LIST), org);
	if ((code = owner_run(&tx)) != 0)
		return code;
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	for (size_t i = 0; i < tx_rows(&tx, 0); i++) {
		struct row  row = tx_row(&tx, 0, i);
		struct id   id = row_id(&row, COL_USER_LIST_ID);
		struct str *cells = listing_row(&listing);

		cells[0] = owner_id(o, USER_ID_PREFIX, &id);
		cells[1] = row_text(&row, COL_USER_LIST_ORGANIZATION);
		cells[2] = row_text(&row, COL_USER_LIST_EMAIL);
		cells[3] = row_text(&row, COL_USER_LIST_NAME);
		cells[4] = row_text(&row, COL_USER_LIST_ROLE);
		cells[5] = row_text(&row, COL_USER_LIST_STATE);
		cells[6] = owner_time(o, &row, COL_USER_LIST_CREATED_AT);
	}
	listing_print(&listing, ctx->json);
	return 0;
}

/* ---- changes */

int
cmd_user_role(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct user  u;
	struct tx    tx;
	struct bind *b;
	int          code = read_who(ctx, argv[1], &u);

	if (code)
		return code;
	tx_init(&tx, u.o->db, &u.o->arena);
	b = tx_step(&tx, SQL_USER_ROLE);
	bind_text(b, u.email);
	bind_id(b, &u.organization);
	bind_text(b, str_of(argv[2]));
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 0) == 0)
		return no_member(&u);
	print_two(ctx, &u, "role", str_of(argv[2]));
	return 0;
}

int
cmd_user_remove(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct user  u;
	struct tx    tx;
	struct bind *b;
	int          code = read_who(ctx, argv[1], &u);

	if (code)
		return code;
	tx_init(&tx, u.o->db, &u.o->arena);
	b = tx_step(&tx, SQL_USER_LEAVE);
	bind_text(b, u.email);
	bind_id(b, &u.organization);
	(void)tx_step(&tx, SQL_USER_SWEEP);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 0) == 0)
		return no_member(&u);
	print_two(ctx, &u, "state", STR("removed"));
	return 0;
}
