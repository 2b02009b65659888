/*
 * Pages of HTML for people: plain markup with one style, without a script, a picture or anything
 * else that would be fetched. Each is complete: headers, head, body.
 *
 *	html_begin(res, HTML_FORMS_NONE, STR("Thank you"));
 *	html_raw(res, "<p>");
 *	html_text(res, name);
 *	html_raw(res, "</p>\n");
 *	html_end(res);
 *
 * Text       Whatever is not a literal of ours goes through html_text(), which makes it safe in an
 *            element and in a quoted attribute.
 * Headers    A page may load nothing and be shown in no frame; its style is allowed by its hash.
 *            Nobody keeps it, lists it, or is told its address by a link on it.
 */
#ifndef HTTP_HTML_H
#define HTTP_HTML_H

#include "http/response.h"

/* Where forms on the page, and what their answer leads on to, may go. */
enum html_forms {
	HTML_FORMS_NONE,
	HTML_FORMS_HERE,
	HTML_FORMS_AWAY, /* here, and from here to any other site */
	HTML_FORMS__COUNT
};

void html_begin(struct response *res, enum html_forms forms, struct str title);
void html_raw(struct response *res, const char *literal);
void html_text(struct response *res, struct str text);
void html_end(struct response *res);

/* The style, for whoever wants to compare it with the hash that allows it. */
struct str html_style(void);

#endif
