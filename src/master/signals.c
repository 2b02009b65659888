/* Signals as counters. */
#include "master/signals.h"

/* All that a handler may touch. */
static volatile sig_atomic_t got[NSIG];

static void
on_signal(int number)
{
	got[number]++;
}

void
signals_take(const int numbers[], size_t count, sigset_t *while_waiting)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_NOCLDSTOP };
	sigset_t         blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < count; i++) {
		sigaddset(&blocked, numbers[i]);
		sigaction(numbers[i], &sa, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigemptyset(while_waiting);
}

int
signals_got(int number)
{
	int times = got[number];

	got[number] = 0;
	return times;
}

void
signals_raise(int number, int times)
{
	got[number] += times;
}

void
signals_hand_over(void)
{
	for (int number = 1; number < NSIG; number++)
		if (signals_got(number))
			raise(number); /* blocked */
}

void
signals_restore(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
