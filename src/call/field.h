/*
 * The fields of a resource, as three tables: what each version takes, what it shows, and what is
 * kept; and the engine that reads requests and writes answers by them (for what is kept, see
 * call/stored.h). A resource has these tables in its fields.c; a new field is a row in each.
 *
 * Faults     field_read() reports every broken rule, not only the first. What it has read is then
 *            of no use.
 * Lifetime   What is read consists of views into the request or its arena. What is written must
 *            live until the reply is sent.
 */
#ifndef CALL_FIELD_H
#define CALL_FIELD_H

#include "call/call.h"
#include "db/member.h"
#include "json/jwrite.h"

#include <stddef.h>

struct printbuf;

/* ---- what comes in ---- */

/* And the type of the struct's member that it fills. */
enum field_type {
	FIELD_TEXT,     /* struct str */
	FIELD_NAME,     /* struct str: a name (base/name.h) */
	FIELD_EMAIL,    /* struct str */
	FIELD_CHOICE,   /* struct str: one of the row's list */
	FIELD_UUID,     /* struct str of its 16 bytes */
	FIELD_OBJECT,   /* struct str: JSON of the known members, in the order of the row's list */
	FIELD_METADATA, /* struct str: JSON as it came */
	FIELD_STRINGS,  /* struct str: the same, an array of at most max strings */
	FIELD_BOOL,     /* bool */
	FIELD_INT,      /* int64_t, 1 to max */
	FIELD_COUNT,    /* int64_t, 0 to max */
	FIELD_CODE,     /* struct str: lower-case letters, digits and underscores */
	FIELD_REFUSED,  /* what clients know and the service does not do: any value is refused */
};

enum field_flags {
	FIELD_NOT_EMPTY = 1,
	FIELD_REQUIRED = 2,     /* on create */
	FIELD_CREATE_ONLY = 4,  /* an update ignores it like any unknown key */
	FIELD_LEGACY_EMPTY = 8, /* an update on a legacy path ignores an empty object */
	/*
	 * An empty value is none, and an update with it clears the member, as null cannot: that
	 * means 'not given'. With FIELD_NOT_EMPTY, and for objects, in an update alone.
	 */
	FIELD_CLEARED = 16,
	FIELD_IDENTIFIES = 32, /* a text that programs compare (base/name.h), as e-mails are */
	FIELD_FALLBACK = 64,   /* counts if it is a text and no row before it was given */
	/*
	 * The member of a bool or a number is a struct str instead: its cell in the database
	 * (db/member.h, 'view'), absent where there is none.
	 */
	FIELD_NULLABLE = 128,
	FIELD_FIXED = 256,     /* an update refuses it: it stays as it was created */
};

/* A member of a FIELD_OBJECT: a string. */
struct field_part {
	const char *path; /* "address.city" */
	bool        required;
	bool      (*valid)(struct str value); /* or NULL */
	const char *fault;                    /* the message for a value that is not valid */
	const char *earlier; /* another spelling of the path, which is not shorter; or NULL */
	enum version until;  /* the first version that does not take it */
};

/* The values that a choice may have, or the members that an object may have. */
struct field_list {
	const char *const       *names;
	const struct field_part *parts;
	size_t                   count;
	const char              *fault; /* the message for a value that is none of the names */
};

/*
 * A row for each spelling of a member. If a request has several spellings of one, their values
 * must be equal; if they are not, the fault is reported under the name of the later row. Spellings
 * of old generations of clients are rows, too, with the versions that these clients speak.
 */
struct field_in {
	const char     *name;
	unsigned        member; /* number of its bit in the set of what is given */
	size_t          at;     /* offsetof() of the member */
	enum field_type type;
	unsigned        flags;
	size_t          max;    /* see below */
	enum version    since, until;
	const struct field_list *list; /* of a choice or an object; else NULL */
};

/*
 * max of a text or an e-mail address: characters, 0 for no limit; of an object: characters of each
 * part; of metadata: bytes, 0 for the configured limit; of an int or a count: the highest.
 */

/* ---- what goes out ---- */

enum field_show {
	SHOW_TEXT,         /* struct str; absent is null */
	SHOW_JSON,         /* struct str, which is JSON; absent is null */
	SHOW_BOOL,
	SHOW_INT,          /* int64_t */
	SHOW_MS,           /* int64_t, microseconds: milliseconds with up to three decimals */
	SHOW_TIME,         /* int64_t, wall ms; 0 is null */
	SHOW_TIME_IF_ANY,  /* the same; with 0 there is no such member */
	SHOW_ID,           /* struct id, with the resource's prefix; nil is null */
	SHOW_OBJECT,       /* the resource's name */
	SHOW_LIVEMODE,     /* of the call's tenant */
	SHOW_ORGANIZATION, /* its id, likewise */
	SHOW_MADE,         /* the text that the row's function makes */
	SHOW_PART,         /* an object of its own: see FIELD_PART() */
	SHOW_ROWS,         /* struct str: a cell with rows (db/cell.h); see 'nested' below */
	SHOW_BOOL_OR_NULL, /* struct str: a cell (FIELD_NULLABLE) */
	SHOW_INT_OR_NULL,  /* the same */
	SHOW_TRUE,
	SHOW_FALSE,
	SHOW_NULL,         /* what there is not here, and clients look for */
	SHOW_EMPTY,        /* the same, as an array */
};

struct field_out {
	struct str      name;
	struct str      key;   /* the name as it is written out: FIELD_KEY() gives both */
	enum field_show show;
	size_t          at;    /* offsetof() of the member */
	unsigned        views; /* those that show it: a set of bits that the resource defines */
	enum version    since, until;
	struct str    (*make)(struct call *c, const void *what);
};

#define FIELD_KEY(name) STR(name), JOUT_KEY(name)

/* SHOW_MS as text, for what is written otherwise. */
enum { FIELD_MS_BYTES = 24 };
struct str field_ms(char room[FIELD_MS_BYTES], int64_t us);

/* ---- the tables of a resource ---- */

struct fields {
	const char             *object;   /* on the wire */
	struct str              prefix;   /* of its ids */
	enum err                missing;  /* the error when there is no such row */
	const char             *missing_message;
	const char             *path;     /* of the collection, if others make them, too, or NULL */
	/*
	 * If not NULL, a create refuses members that no row has, with this message. For what must
	 * never give more than was asked for: a member that is not known may narrow it. Otherwise
	 * such members are ignored.
	 */
	const char             *unknown;
	const struct field_in  *in;
	size_t                  in_count;
	const struct field_out *out;
	size_t                  out_count;
	const struct member    *columns;  /* what each of :NAME_columns (sql/query) fills */
	size_t                  columns_count;
	size_t                  size;     /* of the struct */
	/* What the rows in a cell are, and the view that shows them. */
	const struct fields    *nested;
	unsigned                nested_view;
	/* What SHOW_PART shows of the same struct: .out and .hides of each count. */
	const struct fields *const *parts;
	/* If not NULL, whether a nested row is left out, or a part is null. */
	bool                  (*hides)(const struct call *c, const void *what);
	/* If not NULL, fills those members of a row that was read which have no column. */
	void                  (*derive)(void *what);
	size_t                  id_at;    /* offsetof() */
	size_t                  revision_at; /* of an int64_t (call/revision.h); 0: there is none */
	size_t                  given_at; /* of an unsigned: a bit for each member that is given */
};

/* For rows of the tables. FIELD_STRUCT must be the resource's struct, and MEMBER_... an enum. */
#define FIELD_IN(name, member)        MEMBER_##name, offsetof(FIELD_STRUCT, member)
#define FIELD_OUT(name, show, member) FIELD_KEY(name), SHOW_##show, offsetof(FIELD_STRUCT, member)
#define FIELD_OURS(name, show)        FIELD_KEY(name), SHOW_##show, 0
/* n is the number of the part. */
#define FIELD_PART(name, n)           FIELD_KEY(name), SHOW_PART, n
#define FIELD_KEPT(type, member)      { BIND_##type, offsetof(FIELD_STRUCT, member), false }
#define FIELD_CELL(type, member)      { BIND_##type, offsetof(FIELD_STRUCT, member), true }

/* For tables named fields_in, fields_out and columns, and a struct with members id and given. */
#define FIELD_TABLES \
	.in = fields_in, .in_count = COUNTOF(fields_in), \
	.out = fields_out, .out_count = COUNTOF(fields_out), \
	.columns = columns, .columns_count = COUNTOF(columns), \
	.size = sizeof(FIELD_STRUCT), \
	.id_at = offsetof(FIELD_STRUCT, id), \
	.given_at = offsetof(FIELD_STRUCT, given)

/*
 * Broken rules of one object. No object can break as many: every table has fewer rows and parts,
 * and of members that are not known only a few are reported.
 */
enum { FAULTS_MAX = 32 };

struct faults {
	size_t                count;
	struct problem_detail fault[FAULTS_MAX]; /* field is relative to the object */
};

enum field_use { FIELD_CREATE, FIELD_UPDATE };

/*
 * Reads a JSON object by the rules of the call's version into *out, which holds the defaults. Here
 * and in its members an empty array counts as an empty object, because some clients send it so.
 */
void field_read(struct call *c, const struct fields *f, const struct jdoc *doc,
    const struct jnode *object, enum field_use use, void *out, struct faults *faults);

/* Whether a FIELD_EMAIL may be so, but for characters that cannot be seen. */
bool field_is_email(struct str s);

/* Reads the whole body like that. ERR_TOO_LARGE, ERR_INVALID_JSON, ERR_VALIDATION. */
enum err field_read_body(struct call *c, const struct fields *f, enum field_use use, void *out);

/* Whether the object has that member, in any spelling, and it is a string. */
bool field_has_text(const struct fields *f, const struct jdoc *doc, const struct jnode *object,
    unsigned member);

/* *what, the resource's struct, as a JSON value. */
struct json_object *field_write(struct call *c, const struct fields *f, const void *what,
    unsigned view);

/* Tells with a 201 where the new row is: below f->path, or the path that the call was made to. */
void field_location(struct call *c, const struct fields *f, const void *what);

/* How an answer changed from version to version: rows, the newest first, the last one V_FIRST. */
struct field_view {
	enum version since;
	unsigned     view;
};

/* The view of the call's version. */
unsigned field_view(const struct call *c, const struct field_view *rows);

/* Answers with that value. */
enum err field_reply(struct call *c, int status, const struct fields *f, const void *what,
    unsigned view);

/* Writes its members only, for a jwrite_fn that has opened an object. */
void field_write_members(struct printbuf *out, struct call *c, const struct fields *f,
    const void *what, unsigned view);

#endif
