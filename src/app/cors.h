/*
 * Scripts of web pages that call the API (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).
 *
 * Off        unless the key cors_origins lists the page's origin: then no answer has a header of
 *            it. Others' origins get no header, and their browsers keep the answer from the script.
 * Preflight  An OPTIONS by which a browser asks first. It is answered from the configuration alone,
 *            without API key or database, whatever the path.
 * Cookies    are never allowed: sessions are for the service's own pages.
 */
#ifndef APP_CORS_H
#define APP_CORS_H

#include "call/call.h"

bool cors_is_preflight(const struct call *c);

/* Answers one. */
enum err cors_preflight(struct call *c);

/* Adds what the answer, which is done otherwise, tells the browser; nothing to a page's. */
void cors_headers(struct call *c);

#endif
