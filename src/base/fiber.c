/* Fibers. */
#include "base/fiber.h"
#include "base/arena.h"

#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#define HAS_ASAN __has_feature(address_sanitizer)
#else
#define HAS_ASAN 0
#endif
#if HAS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#if !defined(FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define FIBER_UCONTEXT 1
#endif
#ifdef FIBER_UCONTEXT
#include <ucontext.h>
#endif

struct fiber {
	void   *stack_pointer; /* while it does not run */
	void  (*work)(void *with);
	void   *with;
	bool    ended;
	char   *stack; /* its lowest byte */
	struct fiber *next_spare;
	unsigned valgrind_id;
	void   *asan_stack; /* what AddressSanitizer keeps for it while it does not run */
#ifdef FIBER_UCONTEXT
	ucontext_t context;
#endif
};

/* The thread's own stack, while a fiber runs. */
static _Thread_local struct {
	struct fiber *running, *spare;
	size_t        spares;
	void         *stack_pointer;
	void         *asan_stack;
	const void   *asan_bottom; /* where it lies, as AddressSanitizer has said */
	size_t        asan_bytes;
#ifdef FIBER_UCONTEXT
	ucontext_t    context;
#endif
} own;

static void run(void);

/* ---- the switch */

#ifndef FIBER_UCONTEXT
/* Saves the registers that a function keeps, *from becomes the stack pointer; the reverse of to. */
void fiber_switch(void **from, void *to);

#ifdef __x86_64__
__asm__(".text\n"
	".globl fiber_switch\n"
	".hidden fiber_switch\n"
	".type fiber_switch, @function\n"
	"fiber_switch:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size fiber_switch, .-fiber_switch\n");

/* What fiber_switch() finds on a new stack: six registers, where to go, and no caller behind it. */
enum { FRAME_WORDS = 8, FRAME_RETURN = 6 };
#endif

#ifdef __aarch64__
__asm__(".text\n"
	".globl fiber_switch\n"
	".hidden fiber_switch\n"
	".type fiber_switch, %function\n"
	"fiber_switch:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	".size fiber_switch, .-fiber_switch\n");

enum { FRAME_WORDS = 20, FRAME_RETURN = 11 };
#endif

static void
prepare(struct fiber *f)
{
	uintptr_t *frame = (uintptr_t *)(void *)(f->stack + FIBER_STACK_BYTES) - FRAME_WORDS;

	for (size_t i = 0; i < FRAME_WORDS; i++)
		frame[i] = 0;
	frame[FRAME_RETURN] = (uintptr_t)run;
	f->stack_pointer = frame;
}

static void
to_fiber(struct fiber *f)
{
	fiber_switch(&own.stack_pointer, f->stack_pointer);
}

static void
to_thread(struct fiber *f)
{
	fiber_switch(&f->stack_pointer, own.stack_pointer);
}

#else

static void
prepare(struct fiber *f)
{
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = FIBER_STACK_BYTES;
	f->context.uc_link = NULL;
	makecontext(&f->context, run, 0);
}

static void
to_fiber(struct fiber *f)
{
	swapcontext(&own.context, &f->context);
}

static void
to_thread(struct fiber *f)
{
	swapcontext(&f->context, &own.context);
}
#endif

/* ---- what tools are told */

/* Before a switch to a stack; leaves: the one that is left will not run again. */
static void
announce(void **keep, const void *bottom, size_t bytes, bool leaves)
{
#if HAS_ASAN
	__sanitizer_start_switch_fiber(leaves ? NULL : keep, bottom, bytes);
#else
	(void)keep, (void)bottom, (void)bytes, (void)leaves;
#endif
}

/* After it, on the other stack. */
static void
arrive(void *kept, const void **from, size_t *bytes)
{
#if HAS_ASAN
	__sanitizer_finish_switch_fiber(kept, from, bytes);
#else
	(void)kept, (void)from, (void)bytes;
#endif
}

static void
show_stack(struct fiber *f)
{
#ifdef HAVE_VALGRIND_H
	f->valgrind_id = VALGRIND_STACK_REGISTER(f->stack, f->stack + FIBER_STACK_BYTES);
#else
	(void)f;
#endif
}

static void
hide_stack(const struct fiber *f)
{
#ifdef HAVE_VALGRIND_H
	VALGRIND_STACK_DEREGISTER(f->valgrind_id);
#else
	(void)f;
#endif
}

/* ---- stacks */

static size_t
page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static bool
make_stack(struct fiber *f)
{
	size_t guard = page_bytes();
	char  *memory = mmap(NULL, guard + FIBER_STACK_BYTES, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	if (mprotect(memory + guard, FIBER_STACK_BYTES, PROT_READ | PROT_WRITE) == -1) {
		munmap(memory, guard + FIBER_STACK_BYTES);
		return false;
	}
	f->stack = memory + guard;
	show_stack(f);
	return true;
}

static void
end_stack(struct fiber *f)
{
	size_t guard = page_bytes();

	hide_stack(f);
	munmap(f->stack - guard, guard + FIBER_STACK_BYTES);
	free(f);
}

struct fiber *
fiber_new(void (*work)(void *with), void *with)
{
	struct fiber *f = own.spare;

	if (f) {
		own.spare = f->next_spare;
		own.spares--;
	} else {
		f = must_alloc(sizeof(*f));
		if (!make_stack(f)) {
			free(f);
			return NULL;
		}
	}
	f->work = work;
	f->with = with;
	f->ended = false;
	f->asan_stack = NULL;
	prepare(f);
	return f;
}

void
fiber_free(struct fiber *f)
{
	assert(f != own.running);
	if (own.spares == FIBER_SPARE) {
		end_stack(f);
		return;
	}
	f->next_spare = own.spare;
	own.spare = f;
	own.spares++;
}

void
fiber_forget_spare(void)
{
	while (own.spare) {
		struct fiber *f = own.spare;

		own.spare = f->next_spare;
		end_stack(f);
	}
	own.spares = 0;
}

/* ---- running */

static void
leave(struct fiber *f)
{
	own.running = NULL;
	announce(&f->asan_stack, own.asan_bottom, own.asan_bytes, f->ended);
	to_thread(f);
	arrive(f->asan_stack, &own.asan_bottom, &own.asan_bytes);
}

/* The first function on each stack. */
static void
run(void)
{
	struct fiber *f = own.running;

	arrive(NULL, &own.asan_bottom, &own.asan_bytes);
	f->work(f->with);
	f->ended = true;
	leave(f);
	abort(); /* nobody resumes one that has ended */
}

void
fiber_resume(struct fiber *f)
{
	assert(!own.running && !f->ended);
	own.running = f;
	announce(&own.asan_stack, f->stack, FIBER_STACK_BYTES, false);
	to_fiber(f);
	arrive(own.asan_stack, NULL, NULL);
}

void
fiber_suspend(void)
{
	assert(own.running);
	leave(own.running);
}

bool
fiber_has_ended(const struct fiber *f)
{
	return f->ended;
}

struct fiber *
fiber_current(void)
{
	return own.running;
}
