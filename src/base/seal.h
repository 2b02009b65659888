/*
 * Encryption of what is kept and must not be read by whoever reads the database:
 * AES-256-GCM with a key that follows from a secret which is kept nowhere.
 *
 * Nonce      From an id that is drawn once for each text. A pair of secret and id must
 *            never seal two texts.
 * Errors     seal_open() is false for a text that was sealed with another secret or id, or was
 *            changed. Lack of memory ends the process.
 */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include "base/arena.h"
#include "base/id.h"

/* The text encrypted, and 16 bytes that vouch for it. */
struct str seal_close(struct arena *a, struct str secret, const struct id *id, struct str text);

bool seal_open(struct arena *a, struct str secret, const struct id *id, struct str sealed, struct str *text) MUSTCHECK;

#endif
