/*
 * Keeps what goes through this process's memory inside it: no core file, no
 * debugger, no reader of /proc/<pid>/mem. Never undone; a child of fork inherits it.
 */
#ifndef GUARD_MEMORY_H
#define GUARD_MEMORY_H

/* Where the system refuses, the log says so. */
void memory_guard(void);

#endif
