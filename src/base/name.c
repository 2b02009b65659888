/* Names that people give. */
#include "base/name.h"
#include "base/utf8.h"

#include <stdio.h>

const char *
name_unseen(struct str text, char words[NAME_FAULT_BYTES])
{
	for (size_t at = 0, len; at < text.len; at += len) {
		uint32_t cp;
		bool     hidden;

		len = 1;
		if (text.ptr[at] == ' ' || str_is_visible(text.ptr[at]))
			continue;
		len = utf8_char(text.ptr + at, text.len - at);
		cp = utf8_code(text.ptr + at, len);
		hidden = utf8_is_hidden(cp);
		if (!hidden && !utf8_is_blank(cp))
			continue;
		snprintf(words, NAME_FAULT_BYTES, "must not contain the %s U+%04X",
		    hidden ? "invisible character" : "blank", cp);
		return words;
	}
	return NULL;
}

const char *
name_fault(struct str name, size_t max_characters, char words[NAME_FAULT_BYTES])
{
	size_t characters = 0, blanks = 0, len;

	for (size_t at = 0; at < name.len; at += len, characters++) {
		uint32_t cp;

		len = utf8_char(name.ptr + at, name.len - at);
		if (len == 0)
			return "must be UTF-8";
		cp = utf8_code(name.ptr + at, len);
		blanks += utf8_is_blank(cp);
		if (utf8_is_hidden(cp)) {
			snprintf(words, NAME_FAULT_BYTES,
			    "must not contain the invisible character U+%04X", cp);
			return words;
		}
	}
	if (characters == 0)
		return "must not be empty";
	if (characters > max_characters) {
		snprintf(words, NAME_FAULT_BYTES, "must have at most %zu characters",
		    max_characters);
		return words;
	}
	return blanks == characters ? "must not be blank" : NULL;
}
