/*
 * Customers as lines of a file, NDJSON or CSV: all that is kept of each, oldest first. What an
 * import takes back (resource/customer/import.h).
 */
#ifndef RESOURCE_CUSTOMER_FILE_H
#define RESOURCE_CUSTOMER_FILE_H

#include "resource/customer/customer.h"

/* Its columns, as enum file_view shows them. */
extern const struct fields customer_file_fields;

enum file_view { FILE_VIEW = 1 };

enum file_format { FILE_NDJSON, FILE_CSV, FILE__FORMATS };

extern const char *const file_format_names[FILE__FORMATS];

struct file_style {
	enum file_format format;
	bool             neutral; /* of CSV: call/csv.h */
};

/* What comes before the first customer. */
void file_head(struct buf *out, const struct call *c, const struct file_style *style);

/* One customer: a row of customer_export. */
void file_line(struct buf *out, struct call *c, const struct row *row,
    const struct file_style *style);

/* GET /customers/export. */
enum err customer_export(struct call *c);

#endif
