/*
 * The one error type. A function that can fail returns it and nothing else;
 * results leave through its last parameters and stay untouched on failure.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/str.h"

enum err {
	ERR_OK,
#define ERR(name, status, code, type, meaning, advice) ERR_##name,
#include "base/err_gen.def"
#undef ERR
	ERR__COUNT
};

struct err_info {
	int         status;  /* HTTP */
	const char *code;    /* on the wire */
	const char *type;    /* on the wire */
	const char *meaning; /* sentences for people who write clients: the page about the error */
	const char *advice;  /* likewise: what to do */
};

const struct err_info *err_info(enum err e);

/* The error with this wire code, or the other when there is none. */
enum err err_find(struct str code, enum err other);

#endif
