/* Commands to the supervisor through a pipe. */
#include "admin/command.h"

#include <unistd.h>

bool
command_send(int fd, enum command_kind kind, int32_t value)
{
	struct command c = { .kind = kind, .value = value };

	return write(fd, &c, sizeof(c)) == (ssize_t)sizeof(c);
}

bool
command_receive(int fd, struct command *out)
{
	return read(fd, out, sizeof(*out)) == (ssize_t)sizeof(*out);
}
