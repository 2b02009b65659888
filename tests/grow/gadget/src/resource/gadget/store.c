/* Gadgets in PostgreSQL. */
#include "base/clock.h"
#include "resource/gadget/gadget.h"

void
gadget_create(struct write *w, struct gadget *gadget)
{
	gadget->id = id_new();
	gadget->created_ms = gadget->updated_ms = clock_wall_ms();
	stored_bind(write_step(w, SQL_GADGET_CREATE), &gadget_fields, gadget);
}

void
gadget_update(struct write *w, const struct id *id, const struct gadget *change)
{
	struct bind *b = write_step(w, change->given ? SQL_GADGET_UPDATE : SQL_GADGET_GET);

	bind_id(b, id);
	if (!change->given)
		return;
	bind_time(b, clock_wall_ms());
	bind_text(b, change->code);
	bind_text(b, change->color);
	bind_i64(b, change->size);
}

void
gadget_put_part(struct write *w, const struct id *whole, const struct id *part)
{
	struct bind *b = write_step(w, SQL_GADGET_PUT_PART);

	bind_id(b, whole);
	bind_id(b, part);
	bind_time(b, clock_wall_ms());
}
