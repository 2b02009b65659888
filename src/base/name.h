/*
 * Names that people give to organizations and API keys, and that other people read in lists.
 *
 * A name has 1 to max characters, not all of them blanks, and no hidden ones (base/utf8.h), which
 * would make two names look alike or move a terminal's cursor. Nothing is trimmed or changed.
 *
 * Texts that programs compare, such as e-mail addresses and ids, may have no hidden characters
 * either, and no blank but the space: it came along when the text was copied.
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/str.h"

enum { NAME_FAULT_BYTES = 80 };

/*
 * NULL: it is a name. Otherwise what is wrong with it, to stand after what it names: "must not be
 * empty"; a constant, or words.
 */
const char *name_fault(struct str name, size_t max_characters, char words[NAME_FAULT_BYTES]);

/* NULL: the text can be compared. Otherwise what is wrong with it; text is UTF-8. */
const char *name_unseen(struct str text, char words[NAME_FAULT_BYTES]);

#endif
