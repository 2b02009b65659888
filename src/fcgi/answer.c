/* A response as FastCGI records. */
#include "fcgi/answer.h"
#include "base/limits.h"
#include "base/log.h"

#include <fastcgi.h>

enum {
	/* nginx answers 502 to more than 4 KiB of response headers. */
	HEAD_MAX_BYTES = 3584,

	RECORD_HEAD_BYTES = 8,
	RECORD_MAX_BYTES = 0xFFF8, /* of content: what fits the length, as multiple of 8 */
	RECORDS_MAX_BYTES = RESPONSE_MAX_BYTES
	    + RESPONSE_MAX_BYTES / RECORD_MAX_BYTES * RECORD_HEAD_BYTES + 8 * 1024,
};

void
answer_init(struct answer *a)
{
	buf_init(&a->head, HEAD_MAX_BYTES);
	buf_init(&a->records, RECORDS_MAX_BYTES);
}

void
answer_fini(struct answer *a)
{
	buf_fini(&a->head);
	buf_fini(&a->records);
}

static const char *
reason(int status)
{
	static const struct {
		int         status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < COUNTOF(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status"; /* nginx passes an empty one on as a malformed line */
}

static void
add_header(struct buf *head, const char *name_text, struct str value)
{
	struct str name = str_of(name_text);
	size_t     size = name.len + value.len + 2 * strlen(": ");
	char      *end;

	/* Nobody should have put such a value in; it must not split the response. */
	if (str_has_control(value)) {
		log_error("response header %s left out: control character", name_text);
		return;
	}
	if (!(end = buf_room(head, size)))
		return;
	end = str_put(str_put(end, name), STR(": "));
	str_put(str_put(end, value), STR("\r\n"));
	head->len += size;
}

/* Content-Type and Cache-Control, before and behind Content-Length. */
static const struct kind {
	struct str type, caching;
} kinds[RESPONSE__COUNT] = {
	[RESPONSE_JSON] = {
		STR("\r\nContent-Type: application/json\r\nContent-Length: "),
		STR("\r\nCache-Control: no-store\r\n"),
	},
	[RESPONSE_TEXT] = {
		STR("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "),
		STR("\r\nCache-Control: public, max-age=3600\r\n"),
	},
	[RESPONSE_HTML] = {
		STR("\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "),
		STR("\r\nCache-Control: no-store\r\n"),
	},
	[RESPONSE_NDJSON] = {
		STR("\r\nContent-Type: application/x-ndjson\r\nContent-Length: "),
		STR("\r\nCache-Control: no-store\r\n"),
	},
	[RESPONSE_CSV] = {
		STR("\r\nContent-Type: text/csv; charset=utf-8\r\nContent-Length: "),
		STR("\r\nCache-Control: no-store\r\n"),
	},
	[RESPONSE_NONE] = { STR_NONE, STR("\r\nCache-Control: no-store\r\n") },
};

static void
make_head(struct buf *head, const struct response *res, size_t headers)
{
	const struct kind *kind = &kinds[res->kind];
	char               room[STR_NUM_BYTES];

	buf_reset(head, HEAD_MAX_BYTES);
	buf_str(head, STR("Status: "));
	buf_str(head, str_num(room, (uint64_t)res->status));
	buf_str(head, STR(" "));
	buf_str(head, str_of(reason(res->status)));
	if (kind->type.ptr) {
		buf_str(head, kind->type);
		buf_str(head, str_num(room, res->body.len));
	}
	buf_str(head, kind->caching);
	for (size_t i = 0; i < headers; i++)
		add_header(head, res->header[i].name, res->header[i].value);
	buf_add(head, "\r\n", 2);
}

static void
begin_record(struct buf *records, unsigned char type, unsigned id, size_t content)
{
	const unsigned char head[RECORD_HEAD_BYTES] = { FCGI_VERSION_1, type,
		(unsigned char)(id >> 8), (unsigned char)id, (unsigned char)(content >> 8),
		(unsigned char)content };

	buf_add(records, (const char *)head, sizeof(head));
}

/*
 * When the front server wants to keep the connection and it ends here, one record too many is
 * added: after bytes behind the end nginx does not use the connection again, so it cannot send a
 * request into one that is being closed.
 */
static void
make_records(struct answer *a, struct str body, unsigned id, bool closes)
{
	static const char complete[8] = { [4] = FCGI_REQUEST_COMPLETE };
	size_t            head = a->head.len, step;

	buf_reset(&a->records, RESPONSE_KEEP_BYTES);
	do {
		step = RECORD_MAX_BYTES - head;
		if (step > body.len)
			step = body.len;
		begin_record(&a->records, FCGI_STDOUT, id, head + step);
		buf_add(&a->records, a->head.ptr, head);
		buf_add(&a->records, body.ptr, step);
		body = (struct str) { body.ptr + step, body.len - step };
		head = 0;
	} while (body.len);
	begin_record(&a->records, FCGI_STDOUT, id, 0);
	begin_record(&a->records, FCGI_END_REQUEST, id, sizeof(complete));
	buf_add(&a->records, complete, sizeof(complete));
	if (closes)
		begin_record(&a->records, FCGI_STDERR, id, 0);
}

void
answer_make(struct answer *a, const struct response *res, unsigned request_id, bool closes)
{
	make_head(&a->head, res, res->headers);
	if (a->head.full) {
		log_error("response headers left out: more than %d bytes", HEAD_MAX_BYTES);
		make_head(&a->head, res, 0);
	}
	make_records(a, res->head_only ? STR("") : buf_view(&res->body), request_id, closes);
}
