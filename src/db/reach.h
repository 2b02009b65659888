/*
 * What connecting with a connection string needs of the system, found out without connecting.
 * The sandbox leaves a worker nothing else.
 *
 * Errors   None. Where it cannot be found out (a service file, a string that libpq cannot
 *          read), everything may be needed: network, files and any port.
 */
#ifndef DB_REACH_H
#define DB_REACH_H

#include "base/base.h"

enum { DB_REACH_PORTS_MAX = 16 };

struct db_reach {
	bool     network; /* TCP, and with it names and TLS; false: unix sockets alone */
	bool     files;   /* those of names and TLS, or a password file that exists */
	size_t   ports;   /* of TCP; 0: any */
	uint16_t port[DB_REACH_PORTS_MAX];
};

void db_reach(const char *url, struct db_reach *out);

#endif
