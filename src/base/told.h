/*
 * What a child process is told by signals: SIGTERM to leave, SIGUSR1 to open its log again. All
 * others that are sent to end a process or to tell it something are ignored. Signals come through a
 * descriptor, so that they interrupt nothing and a loop can wait for them.
 */
#ifndef BASE_TOLD_H
#define BASE_TOLD_H

#include "base/base.h"

/*
 * Blocks what is obeyed (threads made later inherit that) and returns a descriptor that is readable
 * when something was told; the caller closes it. -1 with errno on failure. Ctrl-C goes to the whole
 * process group: a process alone leaves, one with a supervisor waits for its SIGTERM.
 */
int told_open(bool supervised);

/*
 * Reads all that was told, and opens the log again if that was asked for. False when the process
 * has to leave.
 */
bool told_stay(int fd);

#endif
