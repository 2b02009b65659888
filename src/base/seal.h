/*
 * Encryption of what is stored but must stay unreadable to anyone with access to the database:
 * AES-256-GCM with a key derived from a secret that is not stored anywhere.
 *
 * Nonce      From an id that is drawn for each text. The same secret and id must never seal two
 *            texts.
 * Errors     seal_open() returns false for a text that was sealed with another secret or id, or
 *            was changed. Lack of memory ends the process.
 */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include "base/arena.h"
#include "base/id.h"

/* Returns the encrypted text, followed by 16 bytes that prove it unchanged. */
struct str seal_close(struct arena *a, struct str secret, const struct id *id, struct str text);

bool seal_open(struct arena *a, struct str secret, const struct id *id, struct str sealed,
    struct str *text) MUSTCHECK;

#endif
