/*
 * What every process of the program does before it reads or opens anything.
 *
 *   memory      No core file, no debugger; and /proc/<pid>/environ, mem and fd are root's, so that
 *               other processes of the same user cannot read its passwords or change it.
 *   privileges  Nothing that it executes gains any.
 *   signals     A parent that ignored SIGCHLD would have the kernel reap our children for us. The
 *               mask stays: an image that takes over from another one has signals waiting in it.
 *   files       None of those it makes can be written by group or others; a stricter umask stays.
 *
 * Lasts      fork() passes it on. exec() and a change of user undo the part about memory: call it
 *            again after either.
 * Errors     Where the system refuses, the log says so.
 */
#ifndef GUARD_HARDEN_H
#define GUARD_HARDEN_H

void harden_process(void);

#endif
