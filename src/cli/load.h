/*
 * Reading and judging the configuration of a command.
 */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "cli/cmd.h"

#include <pwd.h>

/*
 * File, environment and flags into out, which must not be initialised, and in any case is then.
 * False: mistakes has a line for each mistake; what is right was read all the same.
 */
bool load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *mistakes) MUSTCHECK;

/*
 * Root becomes this user for good, in whose folder libpq then looks for its files. False: errno
 * says why not.
 */
bool load_become(const struct passwd *user) MUSTCHECK;

/* Says on stderr what is right and unwise, once for a process. */
void load_warn(const struct cmd_context *ctx);

#endif
