/* Lines of a file that are read and written together. */
#include "resource/customer/import_chunk.h"

enum { SLOTS_PER_LINE = 4 };

void
import_chunk_init(struct import_chunk *chunk)
{
	*chunk = (struct import_chunk) { .next = SHEET_RECORD };
	arena_init(&chunk->arena);
}

void
import_chunk_fini(struct import_chunk *chunk)
{
	arena_fini(&chunk->arena);
}

/* Where the name is in the set, or would be. */
static const struct str **
slot_of(const struct import_chunk *chunk, const struct str *name)
{
	size_t slot = name->len;

	for (size_t i = 0; i < name->len; i++)
		slot = slot * 31 + (unsigned char)name->ptr[i];
	for (slot %= chunk->slots; chunk->names[slot]; slot = (slot + 1) % chunk->slots)
		if (str_eq(*chunk->names[slot], *name))
			break;
	return &chunk->names[slot];
}

static void
begin(struct import_chunk *chunk, size_t lines)
{
	arena_reset(&chunk->arena);
	chunk->slots = SLOTS_PER_LINE * lines;
	chunk->lines = ARENA_NEW(&chunk->arena, struct import_line, lines);
	chunk->names = ARENA_NEW(&chunk->arena, const struct str *, chunk->slots);
	chunk->next = SHEET_RECORD;
}

void
import_chunk_fill(struct import_chunk *chunk, struct import_reader *reader, struct sheet *s,
    size_t lines, int64_t bytes, const struct import_chunk *before)
{
	int64_t begins = s->bytes;

	begin(chunk, lines);
	reader->call.arena = &chunk->arena;
	for (chunk->count = 0; chunk->count < lines && s->bytes - begins <= bytes; chunk->count++) {
		struct import_line *line = &chunk->lines[chunk->count];
		const struct str   *name = &line->customer.external_id, **slot;
		int64_t             at = s->bytes, at_line = s->line;
		struct record       record;

		chunk->next = sheet_next(s, &chunk->arena, &record);
		if (chunk->next != SHEET_RECORD)
			break;
		import_read(reader, &record, line);
		if (line->broken || !name->ptr)
			continue;
		slot = slot_of(chunk, name);
		if (*slot || (before && *slot_of(before, name))) {
			if (!sheet_seek(s, at, at_line))
				chunk->next = SHEET_FAILED;
			break;
		}
		*slot = name;
	}
	chunk->bytes = s->bytes;
	chunk->line = s->line;
}
