/*
 * Words that every file of the project uses; knows only the compiler.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

#define MUSTCHECK   __attribute__((warn_unused_result))
#define NORETURN    __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED      __attribute__((unused))

/*
 * Exit codes (sysexits.h has the numbers). A service manager need not restart
 * after EXIT_CONFIG, which only a person can mend; the supervisor starts a
 * worker again after each of them, after this one with its longest pause.
 */
enum {
	EXIT_USAGE = 64,       /* wrong command line */
	EXIT_DATA = 65,        /* a name that is taken, or none; a state that forbids it */
	EXIT_UNKNOWN = 67,     /* what the command names does not exist */
	EXIT_UNAVAILABLE = 69, /* no service runs, or it refuses what it was asked */
	EXIT_DEFECT = 70,      /* out of memory, or a broken invariant */
	EXIT_OS = 71,          /* the system refused something that is needed */
	EXIT_OUTPUT = 74,      /* standard output did not take the result */
	EXIT_DATABASE = 75,    /* the database is away, refuses the login or was busy too long */
	EXIT_BUSY = 75,        /* another process has what is needed; what lasts was asked for */
	EXIT_CONFIG = 78,      /* configuration, role or schema: do not restart */
};

#endif
