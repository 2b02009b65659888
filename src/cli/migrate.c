/* clientele migrate: brings the schema up to date. */
#include "cli/owner.h"

int
cmd_migrate(struct cmd_context *ctx, int argc, char **argv)
{
	struct owner owner;
	int          code;

	if (argc != 1)
		return cmd_usage("%s takes no arguments", argv[0]);
	owner_init(&owner, &ctx->conf);
	code = db_migrate(owner.db);
	owner_fini(&owner);
	return code;
}
