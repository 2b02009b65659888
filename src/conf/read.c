/* Readers of the configuration: file, environment, command line. */
#include "base/arena.h"
#include "conf/key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX_BYTES = 64 * 1024, /* the sample is a tenth of it */
	MISTAKES_MAX = 10,          /* of a file; nobody mends more at a time */
};

static const struct str byte_order_mark = STR("\xef\xbb\xbf");

/* ---- a file */

struct reader {
	struct conf *conf;
	const char  *origin;
	unsigned     line;
	unsigned    *first_line; /* of each key; 0: it was not set yet */
	unsigned     mistakes;
	bool         owner;   /* the file is the owner's */
	bool         returns; /* lines end in carriage returns, which was said */
	struct buf  *err;
};

/* Begins a line about a mistake; its sentence is to follow. */
static struct buf *
mistake(struct reader *r)
{
	r->mistakes++;
	buf_fmt(r->err, "%s%s:%u: ", r->err->len ? "\n" : "", r->origin, r->line);
	return r->err;
}

/* False: how has the mistake. */
static bool
read_value(struct reader *r, struct str name, struct str value, struct buf *how)
{
	const struct key *k = key_find(name);

	if (!k) {
		buf_fmt(how, "there is no key ");
		key_quote(name, how);
		return false;
	}
	if (r->first_line[k - keys]) {
		buf_fmt(how, "%s was set in line %u already", k->name, r->first_line[k - keys]);
		return false;
	}
	if (r->owner && !(k->flags & KEY_OWNER)) {
		buf_fmt(how, "%s belongs in clientele.conf", k->name);
		return false;
	}
	r->first_line[k - keys] = r->line;
	return key_set(r->conf, k, value, how);
}

static void
read_line(struct reader *r, struct str line)
{
	struct str name, value = line;
	struct buf how;

	if (line.len == 0 || line.ptr[0] == '#')
		return;
	name = str_trim(str_cut(&value, '='));
	if (!value.ptr) {
		buf_fmt(mistake(r), "expected \"key = value\"");
		return;
	}
	buf_init(&how, 1024);
	if (!read_value(r, name, str_trim(value), &how))
		buf_str(mistake(r), buf_view(&how));
	buf_fini(&how);
}

/* Without what editors of other systems put at the ends of lines. */
static struct str
without_return(struct reader *r, struct str line)
{
	if (line.len == 0 || line.ptr[line.len - 1] != '\r')
		return line;
	if (!r->returns)
		buf_fmt(mistake(r), "the line ends in a carriage return: save the file with Unix "
		    "line endings");
	r->returns = true;
	line.len--;
	return line;
}

static bool
read_text(struct conf *c, const char *origin, bool owner, struct str text, struct buf *err)
{
	unsigned      *first_line = must_alloc(keys_count * sizeof(*first_line));
	struct reader  r = { .conf = c, .origin = origin, .line = 1, .first_line = first_line,
		.owner = owner, .err = err };

	if (str_starts(text, byte_order_mark)) {
		buf_fmt(mistake(&r), "the file begins with a byte order mark: save it as UTF-8 "
		    "without one");
		text.ptr += byte_order_mark.len;
		text.len -= byte_order_mark.len;
	}
	for (; text.ptr && r.mistakes < MISTAKES_MAX; r.line++)
		read_line(&r, str_trim(without_return(&r, str_cut(&text, '\n'))));
	if (text.ptr)
		buf_fmt(err, "\n%s: the rest was not read", origin);
	free(first_line);
	return r.mistakes == 0;
}

bool
conf_read_text(struct conf *c, const char *origin, struct str text, struct buf *err)
{
	return read_text(c, origin, false, text, err);
}

static bool
read_file(struct conf *c, const char *path, bool owner, struct buf *err)
{
	FILE      *f = fopen(path, "re");
	struct buf text;
	size_t     got;
	bool       read = false;

	if (!f) {
		buf_fmt(err, "%s: %s", path, strerror(errno));
		return false;
	}
	buf_init(&text, FILE_MAX_BYTES);
	setvbuf(f, NULL, _IONBF, 0); /* libc would keep a copy, and it may hold a password */
	got = fread(buf_room(&text, FILE_MAX_BYTES), 1, FILE_MAX_BYTES, f);
	text.len = got;
	if (ferror(f))
		buf_fmt(err, "%s: %s", path, strerror(errno));
	else if (!feof(f))
		buf_fmt(err, "%s: larger than %d bytes", path, FILE_MAX_BYTES);
	else
		read = read_text(c, path, owner, buf_view(&text), err);
	explicit_bzero(text.ptr, text.len);
	buf_fini(&text);
	fclose(f);
	return read;
}

bool
conf_read_file(struct conf *c, const char *path, struct buf *err)
{
	return read_file(c, path, false, err);
}

void
conf_allow_owner(struct conf *c)
{
	c->owner = true;
}

bool
conf_read_owner_file(struct conf *c, const char *path, struct buf *err)
{
	return read_file(c, path, true, err);
}

/* ---- the environment and the command line */

static bool
set_from(struct conf *c, const char *origin, const struct key *k, const char *value,
    struct buf *err)
{
	size_t before = err->len;

	buf_fmt(err, "%s%s: ", before ? "\n" : "", origin);
	if (!key_set(c, k, str_of(value), err))
		return false;
	err->len = before;
	return true;
}

bool
conf_read_env(struct conf *c, struct buf *err)
{
	bool good = true;

	for (size_t i = 0; i < keys_count; i++) {
		char        origin[sizeof("environment CLIENTELE_") + KEY_NAME_MAX_BYTES];
		char       *name = origin + sizeof("environment ") - 1;
		const char *value;

		snprintf(origin, sizeof(origin), "environment CLIENTELE_%s", keys[i].name);
		for (char *p = name; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		value = getenv(name);
		if (value)
			good &= set_from(c, origin, &keys[i], value, err);
	}
	return good;
}

/* Splits "--listen-mode=0600" into the key and the value; NULL when the key is none of ours. */
static const struct key *
flag_split(const char *flag, const char **value)
{
	char        name[KEY_NAME_MAX_BYTES];
	const char *end = strchr(flag, '=');
	size_t      len;

	if (!end || !str_starts(str_of(flag), STR("--")))
		return NULL;
	len = (size_t)(end - flag) - 2;
	if (len >= sizeof(name))
		return NULL;
	for (size_t i = 0; i < len; i++)
		name[i] = flag[2 + i] == '-' ? '_' : flag[2 + i];
	*value = end + 1;
	return key_find((struct str) { name, len });
}

bool
conf_is_flag(const char *flag)
{
	const char *value;

	return flag_split(flag, &value) != NULL;
}

const char *
conf_flag_secret(const char *flag)
{
	const char       *value;
	const struct key *k = flag_split(flag, &value);

	return k && (k->flags & KEY_SECRET) ? value : NULL;
}

bool
conf_set_flag(struct conf *c, const char *flag, struct buf *err)
{
	const char       *value;
	const struct key *k = flag_split(flag, &value);

	if (k)
		return set_from(c, "command line", k, value, err);
	buf_fmt(err, "%sthere is no option ", err->len ? "\n" : "");
	key_quote(str_of(flag), err);
	return false;
}
