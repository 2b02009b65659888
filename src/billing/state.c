/* The life of a subscription: what may happen in which state. */
#include "billing/state.h"

#include <assert.h>

/* A cell: the states that the event may lead to, or why it is refused. */
struct cell {
	unsigned     to;
	enum refusal why;
};

#define D        1U << STATE_DRAFT |
#define P        1U << STATE_PENDING |
#define T        1U << STATE_TRIALING |
#define A        1U << STATE_ACTIVE |
#define O        1U << STATE_PAST_DUE |
#define C        1U << STATE_CANCELED |
#define TO(set)  { set 0, REFUSE_NOTHING }
#define NO(why)  { 0, REFUSE_##why }
#define NEVER    { 0, REFUSE_NEVER }

static const struct cell cells[EVENT__COUNT][STATE__COUNT] = {
	/*                     draft              pending            trialing
	 *                     active             past due           canceled */
	[EVENT_CONFIRM] =    { NO(SETTLED),       TO(T),             NO(SETTLED),
	                       NO(SETTLED),       NO(SETTLED),       NO(CANCELED) },
	[EVENT_PAY] =        { NEVER,             TO(A),             TO(T A),
	                       TO(A),             TO(A O),           TO(C) },
	[EVENT_VOID] =       { NEVER,             TO(C),             TO(T),
	                       TO(A C),           TO(A O C),         TO(C) },
	[EVENT_CANCEL] =     { TO(C),             TO(C),             TO(T),
	                       TO(A C),           TO(C),             NO(CANCELED) },
	[EVENT_CANCEL_NOW] = { TO(C),             TO(C),             TO(C),
	                       TO(C),             TO(C),             NO(CANCELED) },
	[EVENT_UNCANCEL] =   { TO(D),             TO(P),             TO(T),
	                       TO(A),             TO(O),             NO(NOT_SCHEDULED) },
	[EVENT_CHANGE] =     { NO(NOT_ACTIVE),    NO(NOT_ACTIVE),    TO(T A),
	                       TO(A),             NO(NOT_ACTIVE),    NO(NOT_ACTIVE) },
	[EVENT_REPLACE] =    { NO(LIVE),          TO(C),             NO(LIVE),
	                       NO(LIVE),          NO(LIVE),          NEVER },
	[EVENT_START] =      { TO(P T A),         NEVER,             NEVER,
	                       NEVER,             NEVER,             NEVER },
	[EVENT_NOTICE] =     { NEVER,             NEVER,             TO(T),
	                       TO(A),             TO(O),             NEVER },
	[EVENT_TRIAL_END] =  { NEVER,             NEVER,             TO(A),
	                       NEVER,             NEVER,             NEVER },
	[EVENT_RENEW] =      { NEVER,             NEVER,             NEVER,
	                       TO(A),             TO(O),             NEVER },
	[EVENT_CANCEL_DUE] = { NEVER,             NEVER,             TO(C),
	                       TO(C),             TO(C),             NEVER },
	[EVENT_QUOTE_OVER] = { NEVER,             NEVER,             TO(T),
	                       TO(A),             NEVER,             NEVER },
	[EVENT_OVERDUE] =    { NEVER,             NEVER,             NEVER,
	                       TO(O),             NEVER,             NEVER },
	[EVENT_GRACE_OVER] = { NEVER,             NEVER,             NEVER,
	                       NEVER,             TO(C),             NEVER },
};

static const struct str texts[] = {
#define STATE(name, text) [STATE_##name] = STR(text),
	STATES(STATE)
#undef STATE
};

enum refusal
state_refuses(enum state state, enum event event)
{
	return cells[event][state].why;
}

bool
state_leads(enum state from, enum event event, enum state to)
{
	return cells[event][from].to & 1U << to;
}

struct str
state_text(enum state state)
{
	return texts[state];
}

enum state
state_of(struct str text)
{
	enum state state = 0;

	while (state < STATE__COUNT && !str_eq(text, texts[state]))
		state++;
	assert(state < STATE__COUNT);
	return state;
}
