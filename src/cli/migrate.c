/* clientele migrate: brings the schema up to date. */
#include "cli/owner.h"

int
cmd_migrate(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	return db_migrate(ctx->owner->db);
}
