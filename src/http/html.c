/* Pages of HTML. */
#include "http/html.h"

/*
 * Black on white, readable on a telephone, and one sheet of A4 when it is printed. Text of others
 * stands in blocks of its own, so that marks of the writing direction in it end there.
 */
static const char style[] =
    "@page{size:A4;margin:18mm}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:2rem 1.25rem;max-width:46rem;color:#111;background:#fff;"
    "font:1rem/1.5 system-ui,sans-serif}"
    "h1{margin:0 0 .25rem;font-size:1.5rem;overflow-wrap:anywhere}"
    "h2{margin:1.5rem 0 .25rem;font-size:1rem}"
    "p,dd{margin:0 0 .25rem;white-space:pre-line;overflow-wrap:anywhere}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1.5rem;margin:1.5rem 0}"
    "dt{color:#555}"
    "table{width:100%;margin:1.5rem 0;border-collapse:collapse}"
    "th,td{padding:.4rem 0;border-bottom:1px solid #ccc;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}"
    "th+th,td+td{padding-left:1rem;text-align:right;white-space:nowrap}"
    "tr.total>*{border-bottom:0;font-weight:bold}"
    ".status{display:inline-block;margin:.5rem 0;padding:.1rem .75rem;border:2px solid;"
    "font-weight:bold;text-transform:uppercase}"
    ".note{padding:.5rem .75rem;border:1px dashed #777}"
    "form{margin:1.5rem 0}"
    "button{margin:0 .75rem .5rem 0;padding:.6rem 1.5rem;border:1px solid #111;color:#fff;"
    "background:#111;font:inherit;cursor:pointer}"
    "button+button{color:#111;background:#fff}"
    "@media print{body{padding:0;max-width:none;font-size:10.5pt}form,.screen{display:none}}";

/* base64 of the SHA-256 of the style: tests/unit/test_html.c computes it. */
#define STYLE_HASH "sn5McpnYxTPtdcNNUfn4W6HEoT6MPJQFRVS7bBPT3P8="

#define POLICY \
	"default-src 'none'; style-src 'sha256-" STYLE_HASH "'; base-uri 'none'; " \
	"frame-ancestors 'none'; form-action "

/* Browsers hold the redirect that answers a form to its page's policy, too. */
static const struct str policies[HTML_FORMS__COUNT] = {
	[HTML_FORMS_NONE] = STR(POLICY "'none'"),
	[HTML_FORMS_HERE] = STR(POLICY "'self'"),
	[HTML_FORMS_AWAY] = STR(POLICY "'self' https: http:"),
};

struct str
html_style(void)
{
	return (struct str) { style, sizeof(style) - 1 };
}

void
html_raw(struct response *res, const char *literal)
{
	buf_str(&res->body, str_of(literal));
}

/* What stands for a byte; NULL: itself. Of control characters a page may have two. */
static const char *
instead(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
	case '\t':
		return NULL;
	default:
		return str_is_control(c) ? "\xef\xbf\xbd" : NULL;
	}
}

void
html_text(struct response *res, struct str text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *other = instead(text.ptr[i]);

		if (!other)
			continue;
		buf_add(&res->body, text.ptr + from, i - from);
		html_raw(res, other);
		from = i + 1;
	}
	if (text.len)
		buf_add(&res->body, text.ptr + from, text.len - from);
}

void
html_begin(struct response *res, enum html_forms forms, struct str title)
{
	res->kind = RESPONSE_HTML;
	response_header(res, "Content-Security-Policy", policies[forms]);
	response_header(res, "Referrer-Policy", STR("no-referrer"));
	response_header(res, "X-Content-Type-Options", STR("nosniff"));
	response_header(res, "X-Robots-Tag", STR("noindex, nofollow"));
	html_raw(res, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	html_text(res, title);
	html_raw(res, "</title>\n<style>");
	html_raw(res, style);
	html_raw(res, "</style>\n</head>\n<body>\n");
}

void
html_end(struct response *res)
{
	html_raw(res, "</body>\n</html>\n");
}
