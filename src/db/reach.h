/*
 * What connecting with a connection string takes of the system, known beforehand: for the
 * sandbox, which leaves a worker no more.
 *
 * Errors   None: what cannot be told (a service file, a string that libpq cannot read)
 *          is answered with 'network' and no ports.
 */
#ifndef DB_REACH_H
#define DB_REACH_H

#include "base/base.h"

enum { DB_REACH_PORTS_MAX = 16 };

struct db_reach {
	bool     network; /* TCP, and so names, TLS and their files; false: unix sockets alone */
	bool     files;   /* connecting reads a password file that is there */
	size_t   ports;   /* of TCP; 0: any */
	uint16_t port[DB_REACH_PORTS_MAX];
};

void db_reach(const char *url, struct db_reach *out);

#endif
