/*
 * Connection strings, as libpq reads them: "dbname=x user=y", a postgresql:// URL, or the name of a
 * database.
 *
 * Secrets    No part of a string is in any message: what looks like a host may be half of a
 *            password that nobody escaped.
 */
#ifndef DB_URL_H
#define DB_URL_H

#include "base/buf.h"

/*
 * Whether libpq can read it, and connects as this service must: as the role that it names, in
 * UTF-8, and without settings that switch off isolation or writing. No server is asked. False: err
 * has a sentence that begins with the name of the key.
 */
bool db_url_check(const char *key, const char *url, struct buf *err) MUSTCHECK;

/* Whether it holds a password, as far as it can be read. */
bool db_url_has_password(const char *url);

/* ---- inside of db/ */

struct _PQconninfoOption; /* libpq's */

/* Its parts, to be freed by PQconninfoFree(); NULL: libpq cannot read it. */
struct _PQconninfoOption *url_parse(const char *url);

/* A part as libpq finds it: in the string, in the environment, or not at all: NULL, also for "". */
const char *url_value(const struct _PQconninfoOption *parts, const char *keyword);

#endif
