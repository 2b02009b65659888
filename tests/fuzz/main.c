/* Runs a fuzz target over files, and over the files in folders. */
#include "fuzz.h"
#include "base/base.h"

#include <ftw.h>
#include <sys/stat.h>

static size_t      runs;
static const char *running = "(none)";

static int
run_file(const char *path, const struct stat *st, int type, struct FTW *where UNUSED)
{
	size_t   size = (size_t)st->st_size;
	uint8_t *data;
	FILE    *f;

	if (type == FTW_D)
		return 0;
	running = path;
	f = type == FTW_F ? fopen(path, "rb") : NULL;
	/* Of the exact size, so that AddressSanitizer sees a read behind the end. */
	data = malloc(size);
	if (!f || (!data && size) || fread(data, 1, size, f) != size)
		return -1;
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	runs++;
	return 0;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		/* The options of libFuzzer are allowed, so that one command line fits both. */
		if (argv[i][0] == '-')
			continue;
		if (nftw(argv[i], run_file, 8, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: cannot read %s\n", argv[i], running);
			return 1;
		}
	}
	printf("%zu inputs\n", runs);
	return runs ? 0 : 1;
}
