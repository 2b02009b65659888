/*
 * What bytes of a FastCGI connection are, before libfcgi sees them: it believes every length and
 * waits for whatever is announced.
 *
 * Pure       Functions from bytes to a judgement; nothing is read or kept.
 */
#ifndef FCGI_PARSE_H
#define FCGI_PARSE_H

#include "http/request.h"

enum { PARSE_RECORD_HEAD_BYTES = 8 };

enum parse_seen {
	PARSE_MORE,   /* the parameters may go on */
	PARSE_WRONG,  /* this is no request, whatever comes */
	PARSE_PARAMS, /* the parameters are all there; of the body, perhaps not */
	PARSE_WHOLE,  /* all is there, so libfcgi cannot come to wait for more */
};

/*
 * The first n bytes of a connection: begin, parameters, their end, body, its end, in the order in
 * which every front server sends them, and with parameters that fit PARAMS_MAX_BYTES.
 * *alone: with PARSE_WHOLE, nothing stands behind the request.
 */
enum parse_seen parse_records(const unsigned char *bytes, size_t n, bool *alone);

/* The parameters that are looked at. */
enum parse_param {
	PARSE_METHOD,
	PARSE_URI,
	PARSE_LENGTH,
	PARSE_START,
	PARSE_TYPE,
	PARSE_ADDRESS, /* the client's */
	PARSE_USER, /* see struct request */
	PARSE_HEADERS, /* as many as enum header has */
	PARSE__PARAMS = PARSE_HEADERS + HEADER__COUNT
};

struct parse_params {
	struct str value[PARSE__PARAMS]; /* the first of each name; views of what was parsed */
	unsigned   count[PARSE__PARAMS];
};

/* envp: "name=value" each, NULL at the end. */
void parse_params(char **envp, struct parse_params *out);

/*
 * CONTENT_LENGTH. Front servers that do not know the length of a body send none, an empty one, 0 or
 * -1 (Caddy 2.6): all of these are 0. False: it is no length.
 */
bool parse_length(struct str text, int64_t *out) MUSTCHECK;

#endif
