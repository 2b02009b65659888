/*
 * What fuzz targets share.
 *
 * A target is one file, fuzz_<name>.c, with the function below; its kept inputs
 * stand in corpus/<name>/. Linked with main.c it replays them (make check);
 * linked with libFuzzer, by scripts/fuzz, it looks for new ones.
 *
 * An input that broke something is added to the corpus under a telling name.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/buf.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Returns 0; a broken promise aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(promise)                                                             \
	do {                                                                       \
		if (!(promise)) {                                                  \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #promise); \
			abort();                                                   \
		}                                                                  \
	} while (0)

/* For targets whose code logs: what an input makes it say is of no interest. */
static inline void
log_nowhere(void)
{
	struct buf err;

	buf_init(&err, 200);
	log_init("fuzz", LOG_LEVEL_ERROR);
	CHECK(log_open("/dev/null", LOG_FORMAT_TEXT, &err));
	buf_fini(&err);
}

#endif
