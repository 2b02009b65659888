/* Customers as lines of a file. */
#include "resource/customer/file.h"
#include "call/csv.h"
#include "call/stored.h"
#include "json/jwrite.h"

#define FIELD_STRUCT struct customer

const char *const file_format_names[FILE__FORMATS] = {
	[FILE_NDJSON] = "ndjson",
	[FILE_CSV] = "csv",
};

static struct str
address_id(struct call *c, const void *what)
{
	const struct customer *customer = what;
	char                  *text;

	if (!customer->address_id.ptr)
		return STR_NONE;
	text = ARENA_NEW(c->arena, char, ID_UUID_BYTES);
	id_uuid((const void *)customer->address_id.ptr, text);
	return (struct str) { text, ID_UUID_BYTES };
}

#define FILE_OUT(name, show, member) \
	{ FIELD_OUT(name, show, member), FILE_VIEW, V_FIRST, V_ENDLESS, NULL }

static const struct field_out columns[] = {
	FILE_OUT("id", ID, id),
	FILE_OUT("externalId", TEXT, external_id),
	FILE_OUT("email", TEXT, email),
	FILE_OUT("fullName", TEXT, full_name),
	FILE_OUT("taxDocument", TEXT, tax_document),
	FILE_OUT("address", JSON, address),
	{ FIELD_OURS("addressId", MADE), FILE_VIEW, V_FIRST, V_ENDLESS, address_id },
	FILE_OUT("timezone", TEXT, timezone),
	FILE_OUT("metadata", JSON, metadata),
	FILE_OUT("isActive", BOOL, is_active),
	FILE_OUT("createdAt", TIME, created_ms),
	FILE_OUT("updatedAt", TIME, updated_ms),
	FILE_OUT("archivedAt", TIME, archived_ms),
};

const struct fields customer_file_fields = {
	.object = "customer",
	.prefix = STR("cus_"),
	.out = columns,
	.out_count = COUNTOF(columns),
	.size = sizeof(struct customer),
};

void
file_head(struct buf *out, const struct call *c, const struct file_style *style)
{
	if (style->format == FILE_CSV)
		csv_head(out, c, &customer_file_fields, FILE_VIEW);
}

/* Metadata is kept as it came, and may have line breaks between its values. */
static void
add_json(struct buf *out, struct call *c, const struct customer *customer)
{
	AUTO_JSON struct json_object *value = field_write(c, &customer_file_fields, customer,
	    FILE_VIEW);
	size_t                        from = out->len;

	jwrite_text(value, out);
	for (size_t i = from; i < out->len; i++)
		if (out->ptr[i] == '\n' || out->ptr[i] == '\r')
			out->ptr[i] = ' ';
	buf_str(out, STR("\n"));
}

void
file_line(struct buf *out, struct call *c, const struct row *row, const struct file_style *style)
{
	struct customer customer;

	stored_read(row, &customer_fields, &customer);
	customer.address_id = row_text(row, COL_CUSTOMER_EXPORT_ADDRESS_ID);
	if (style->format == FILE_CSV)
		csv_row(out, c, &customer_file_fields, &customer, FILE_VIEW, style->neutral);
	else
		add_json(out, c, &customer);
}
