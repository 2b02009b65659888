/*
 * The front servers' files of conf/, built in (src/cli/front.awk).
 */
#ifndef CLI_FRONT_H
#define CLI_FRONT_H

#include "base/str.h"

enum front { FRONT_NGINX, FRONT_LIGHTTPD, FRONT_CADDY, FRONT_APACHE, FRONT__COUNT };

struct front_file {
	const char *name;
	struct str  text; /* as shipped */
};

extern const struct front_file front_files[FRONT__COUNT];

#endif
