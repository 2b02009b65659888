/* Entity tags of rows that have a revision. */
#include "call/revision.h"
#include "base/limits.h"

static const char match_header[] = "If-Match", none_match_header[] = "If-None-Match";

static bool
is_merge_patch(struct str type)
{
	return str_eq_nocase(str_trim(str_cut(&type, ';')), STR("application/merge-patch+json"));
}

/* Whether it is a change to what must not be there. */
static bool
wants_none(const struct call *c)
{
	return c->route->flags & ROUTE_WRITES && c->req->header[HEADER_IF_NONE_MATCH].ptr;
}

static enum err
read_match(struct call *c, struct str match)
{
	if (c->req->header_count[HEADER_IF_MATCH] > 1)
		return call_fail(c, ERR_VALIDATION, match_header,
		    "If-Match must be sent once; it may be a list.");
	if (match.len > HEADER_VALUE_MAX_BYTES)
		return call_fail(c, ERR_VALIDATION, match_header, "This header is too long.");
	c->match = ARENA_NEW(c->arena, struct etags, 1);
	etags_parse(match, c->match);
	if (c->match->kind == ETAGS_WRONG)
		return call_fail(c, ERR_VALIDATION, match_header,
		    "If-Match must be * or up to 16 entity tags in quotation marks.");
	return ERR_OK;
}

enum err
revision_begin(struct call *c)
{
	struct str match = c->req->header[HEADER_IF_MATCH];
	enum err   e = match.ptr ? read_match(c, match) : ERR_OK;

	c->merges = is_merge_patch(c->req->header[HEADER_CONTENT_TYPE]);
	if (e != ERR_OK || !wants_none(c))
		return e;
	if (!str_is(str_trim(c->req->header[HEADER_IF_NONE_MATCH]), "*"))
		return call_fail(c, ERR_VALIDATION, none_match_header,
		    "If-None-Match of a change must be *. To name a state use If-Match.");
	c->match = ARENA_NEW(c->arena, struct etags, 1);
	c->match->kind = ETAGS_LIST; /* of no state */
	c->match->count = 0;
	return ERR_OK;
}

/* FNV-1a, of 64 bits: no two states of what is shown beside one row share it but by chance. */
static uint64_t
digest(struct str s)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int64_t
revision_of(const struct fields *f, const void *what)
{
	return *(const int64_t *)((const char *)what + f->revision_at);
}

void
revision_tag(struct call *c, const struct fields *f, const void *what, struct str beside)
{
	const struct id *id = (const void *)((const char *)what + f->id_at);
	struct str       version = str_of(version_info(c->version)->name);
	uint64_t         hash = beside.ptr ? digest(beside) : 0;
	char             room[STR_NUM_BYTES], *text, *end;

	text = end = ARENA_NEW(c->arena, char,
	    ID_PREFIXED_BYTES + STR_NUM_BYTES + version.len + 2 * sizeof(hash) + 5);
	*end++ = '"';
	if (!c->located_text.ptr || !id_eq(id, &c->located)) {
		c->located = *id;
		c->located_text = id_prefixed(f->prefix, id, end);
	} else
		memcpy(end, c->located_text.ptr, c->located_text.len);
	end += c->located_text.len;
	*end++ = '.';
	end = str_put(end, str_num(room, (uint64_t)revision_of(f, what)));
	*end++ = '.';
	end = str_put(end, version);
	if (beside.ptr) {
		*end++ = '.';
		end = str_put_hex(end, &hash, sizeof(hash));
	}
	*end++ = '"';
	response_header(c->res, "ETag", (struct str) { text, (size_t)(end - text) });
}

bool
revision_is_known(const struct call *c)
{
	struct str   header = c->req->header[HEADER_IF_NONE_MATCH];
	struct etags known;

	if (!header.ptr || c->req->header_count[HEADER_IF_NONE_MATCH] > 1)
		return false;
	etags_parse(header, &known);
	return known.kind != ETAGS_WRONG
	    && etags_have(&known, response_find_header(c->res, "ETag"));
}

/* What a tag says; false: it is none of ours. */
static bool
read_tag(struct str tag, const struct fields *f, struct id *id, int64_t *revision)
{
	struct str text = str_cut(&tag, '.');

	return id_parse(f->prefix, text, id)
	    && str_to_i64(str_cut(&tag, '.'), 1, INT64_MAX, revision);
}

void
revision_bind(struct bind *b, const struct call *c, const struct fields *f)
{
	const struct etags *match = c->match;
	struct str          ids[ETAGS_MAX], revisions[ETAGS_MAX];
	struct id           id[ETAGS_MAX];
	char                eight[ETAGS_MAX][8];
	size_t              n = 0;

	if (!match || match->kind == ETAGS_ANY) {
		bind_null(b);
		bind_null(b);
		return;
	}
	for (size_t i = 0; i < match->count; i++) {
		int64_t revision;

		if (!read_tag(match->tag[i], f, &id[n], &revision))
			continue;
		bind_put_i64(eight[n], revision);
		ids[n] = (struct str) { (const char *)id[n].b, ID_BYTES };
		revisions[n] = (struct str) { eight[n], 8 };
		n++;
	}
	bind_array(b, BIND_UUID, ids, n);
	bind_array(b, BIND_I64, revisions, n);
}

bool
revision_matches(const struct call *c, const struct fields *f, const void *what)
{
	const struct etags *match = c->match;
	const struct id    *own = (const void *)((const char *)what + f->id_at);
	struct id           id;
	int64_t             revision;

	if (!match || match->kind == ETAGS_ANY)
		return true;
	for (size_t i = 0; i < match->count; i++)
		if (read_tag(match->tag[i], f, &id, &revision) && id_eq(&id, own)
		    && revision == revision_of(f, what))
			return true;
	return false;
}

enum err
revision_refuse(struct call *c)
{
	if (wants_none(c))
		return call_fail(c, ERR_PRECONDITION, none_match_header,
		    "It is there, and If-None-Match forbids that. Nothing was done.");
	return call_fail(c, ERR_PRECONDITION, match_header,
	    "It was changed since the state that If-Match names. Nothing was done.");
}
