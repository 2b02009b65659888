/*
 * The life of subscriptions, as callers of the API and clerks change it at once, with a crash between any two steps.
 * run.sh has spin check it. In no state that can be reached a customer has two live subscriptions, a period two
 * invoices or none, a period that has ended is not followed by the next one, or a deadline is carried out that is not
 * due; and every accepted cancellation takes effect.
 *
 * What is of PostgreSQL here: a row is locked by one transaction at a time, until that ends; a commit shows all that
 * it wrote at once, and a crash none of it; a statement behind the one that locks sees what was committed before; a
 * claim looks at a snapshot, passes over rows that are locked, and looks again at the row that it has locked.
 * What is ours: in which order that is used (sql/query/billing.sql, src/billing/advance.c, src/billing/behind.c). That is
 * what is checked.
 *
 * DEFECT is a number of a mistake that one could make: each must be found.
 */
#ifndef DEFECT
#define DEFECT 0
#endif
#define WITHOUT_CUSTOMER_LOCK  (DEFECT == 1) /* a create does not lock the customer, and no index says one is live */
#define WITHOUT_CLAIM          (DEFECT == 2) /* a clerk locks nothing, and no index says one invoice a period */
#define INVOICE_APART          (DEFECT == 3) /* in a transaction of its own */
#define LOOKS_BEFORE_LOCK      (DEFECT == 4) /* what is saved follows from what was so before the lock */
#define WITHOUT_SECOND_LOOK    (DEFECT == 5) /* a claim does not look again at the row that it has locked */
#define OVERTAKES              (DEFECT == 6) /* a change comes before what is due, whose time is then set anew */

#ifndef SUBS
#define SUBS      3 /* at most, of all customers */
#endif
#define CUSTOMERS 2
#define PERIODS   2 /* that are looked at of each */
#define REQUESTS  2 /* of each caller */
#ifndef CRASHES
#define CRASHES   2
#endif
#define NOBODY    255

typedef subscription {
	bool live;
	byte customer;
	byte period;
	bool asked;    /* a cancellation is scheduled */
	bool due;
	byte ended;    /* periods whose time is over */
	byte lock;
	byte invoices[PERIODS + 1];
};

subscription sub[3];
byte made;                  /* of these */
byte customer_lock[CUSTOMERS];
byte crashes;
bool accepted[3];           /* a caller was told that it will be canceled, and has not taken it back since */

inline release(s) { if :: sub[s].lock == _pid -> sub[s].lock = NOBODY :: else fi }

/* A process may end between any two steps, and its transaction with it. */
#define CRASH atomic { crashes < CRASHES -> crashes++; goto crashed }

/* ---- rules, looked at after every commit */

inline check()
{
	byte a, b;

	d_step {
		a = 0;
		do
		:: a < made ->
			b = 1;
			do
			:: b <= sub[a].period -> assert(sub[a].invoices[b] == 1); b++
			:: else -> break
			od;
			assert(!sub[a].live || sub[a].due || sub[a].ended == PERIODS || sub[a].period == sub[a].ended + 1);
			b = a + 1;
			do
			:: b < made -> assert(!(sub[a].live && sub[b].live && sub[a].customer == sub[b].customer)); b++
			:: else -> break
			od;
			a++
		:: else -> break
		od;
		a = 0;
		b = 0
	}
}

/* ---- callers: create, cancel, uncancel, cancel at once */

proctype caller()
{
	byte requests, c, s, i, was_period;
	bool taken, was_asked, was_live, was_due;

next:
	atomic {
		taken = false; i = 0; was_asked = false; was_live = false; was_due = false; was_period = 0; s = 0; c = 0;
		if
		:: requests == REQUESTS -> goto end
		:: else -> requests++
		fi;
		if
		:: c = 0
		:: c = 1
		fi
	}
	if
	:: made < SUBS -> goto create
	:: made > 0 ->
		atomic {
			if
			:: s = 0
			:: made > 1 -> s = 1
			:: made > 2 -> s = 2
			fi
		}
		goto change
	fi;

create:
	if
	:: WITHOUT_CUSTOMER_LOCK
	:: !WITHOUT_CUSTOMER_LOCK -> atomic { customer_lock[c] == NOBODY -> customer_lock[c] = _pid }
	fi;
	if
	:: true
	:: CRASH
	fi;
	d_step { /* billing_live: a statement behind the lock */
		i = 0;
		do
		:: i < made -> taken = taken || (sub[i].live && sub[i].customer == c); i++
		:: else -> break
		od
	}
	if
	:: true
	:: CRASH
	fi;
	atomic { /* billing_save and the commit */
		if
		:: !taken && made < SUBS ->
			sub[made].live = true;
			sub[made].customer = c;
			sub[made].period = 1;
			sub[made].invoices[1] = 1;
			made++
		:: else
		fi;
		if
		:: customer_lock[c] == _pid -> customer_lock[c] = NOBODY
		:: else
		fi;
		check()
	}
	goto next;

change:
	if
	:: LOOKS_BEFORE_LOCK -> atomic { was_asked = sub[s].asked; was_live = sub[s].live; was_due = sub[s].due }
	:: !LOOKS_BEFORE_LOCK
	fi;
	atomic { sub[s].lock == NOBODY -> sub[s].lock = _pid }
	if
	:: true
	:: CRASH
	fi;
	if
	:: !LOOKS_BEFORE_LOCK -> atomic { was_asked = sub[s].asked; was_live = sub[s].live; was_due = sub[s].due }
	:: LOOKS_BEFORE_LOCK
	fi;
	if
	:: true
	:: CRASH
	fi;
	if
	:: was_due && !OVERTAKES -> atomic { release(s); goto behind }
	:: else
	fi;
	atomic {
		if
		:: was_due -> sub[s].due = false
		:: else
		fi;
		if
		:: was_live && !was_asked -> sub[s].asked = true; accepted[s] = true
		:: was_live && was_asked -> sub[s].asked = false; accepted[s] = false
		:: was_live -> sub[s].live = false; sub[s].due = false; accepted[s] = false
		:: !was_live
		fi;
		release(s);
		check()
	}
	goto next;

behind: /* as a clerk would, and then the change anew */
	atomic { sub[s].lock == NOBODY -> sub[s].lock = _pid }
	atomic {
		if
		:: !sub[s].due -> release(s); goto change
		:: else
		fi;
		was_asked = sub[s].asked;
		was_period = sub[s].period
	}
	if
	:: true
	:: CRASH
	fi;
	atomic {
		if
		:: was_asked -> sub[s].live = false; accepted[s] = false
		:: !was_asked && was_period < PERIODS ->
			sub[s].period = was_period + 1;
			sub[s].invoices[was_period + 1]++
		:: else
		fi;
		sub[s].due = false;
		release(s);
		check()
	}
	goto change;

crashed:
	atomic { /* the server undoes and unlocks; the caller goes on with another request */
		if
		:: customer_lock[c] == _pid -> customer_lock[c] = NOBODY
		:: else
		fi;
		release(s)
	}
	goto next;
end:
	skip
}

/* ---- clerks */

proctype clerk()
{
	byte s;
	bool was_asked, apart;
	byte was_period;

next:
	atomic { s = 0; was_asked = false; was_period = 0; apart = false }
end:
	/* The claim's snapshot: a deadline whose row nobody has locked. */
	atomic {
		if
		:: sub[0].due && (sub[0].lock == NOBODY || WITHOUT_CLAIM) -> s = 0
		:: sub[1].due && (sub[1].lock == NOBODY || WITHOUT_CLAIM) -> s = 1
		:: sub[2].due && (sub[2].lock == NOBODY || WITHOUT_CLAIM) -> s = 2
		fi;
		was_asked = sub[s].asked;
		was_period = sub[s].period
	}
	atomic {
		if
		:: WITHOUT_CLAIM
		:: !WITHOUT_CLAIM && sub[s].lock != NOBODY -> goto next
		:: !WITHOUT_CLAIM && sub[s].lock == NOBODY ->
			sub[s].lock = _pid;
			if
			:: !sub[s].due && !WITHOUT_SECOND_LOOK -> release(s); goto next
			:: else
			fi
		fi
	}
	if
	:: true
	:: CRASH
	fi;
	atomic { /* billing_look */
		if
		:: LOOKS_BEFORE_LOCK || WITHOUT_CLAIM
		:: else -> was_asked = sub[s].asked; was_period = sub[s].period
		fi
	}
	if
	:: true
	:: CRASH
	fi;
	atomic { /* billing_save and the commit */
		assert(sub[s].due);
		if
		:: was_asked -> sub[s].live = false; sub[s].asked = true; accepted[s] = false
		:: !was_asked && was_period < PERIODS ->
			sub[s].period = was_period + 1;
			sub[s].asked = false; /* the whole row is written */
			if
			:: INVOICE_APART -> apart = true
			:: else -> sub[s].invoices[was_period + 1]++
			fi
		:: else
		fi;
		sub[s].due = false;
		release(s);
		if
		:: !apart -> check()
		:: else
		fi
	}
	if
	:: apart ->
		if
		:: true
		:: CRASH
		fi;
		atomic { sub[s].invoices[was_period + 1]++; check() }
	:: else
	fi;
	goto next;

crashed:
	atomic { release(s); apart = false; check() }
	goto next
}

/* ---- time: a period or trial ends, sooner or later; no more than PERIODS are looked at */

proctype time()
{
end:
	do
	:: atomic { sub[0].live && !sub[0].due && (sub[0].asked || sub[0].period < PERIODS) -> sub[0].due = true; sub[0].ended++ }
	:: atomic { sub[1].live && !sub[1].due && (sub[1].asked || sub[1].period < PERIODS) -> sub[1].due = true; sub[1].ended++ }
	:: atomic { sub[2].live && !sub[2].due && (sub[2].asked || sub[2].period < PERIODS) -> sub[2].due = true; sub[2].ended++ }
	od
}

init
{
	atomic {
		customer_lock[0] = NOBODY;
		customer_lock[1] = NOBODY;
		sub[0].lock = NOBODY;
		sub[1].lock = NOBODY;
		sub[2].lock = NOBODY;
		run caller();
		run caller();
		run clerk();
		run clerk();
		run time()
	}
}

ltl takes_effect {
	[] ((accepted[0] -> <> !accepted[0]) && (accepted[1] -> <> !accepted[1]) && (accepted[2] -> <> !accepted[2]))
}
