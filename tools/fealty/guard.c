/* The handler uses only what signal handlers may: write(), _exit(), and its own digits.  The signals' old actions come back at the end. */
#include "guard.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define EXIT_DAMAGED 1

static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static struct sigaction before[SIGNALS];
static atomic_int guard_place;
static atomic_ullong guard_seq;
static atomic_bool guard_json;

static size_t
put_text(char *out, size_t used, const char *text)
{
	while (*text != '\0')
		out[used++] = *text++;
	return used;
}

static size_t
put_digits(char *out, size_t used, unsigned long long number)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		out[used++] = digits[--n];
	return used;
}

static const char *
reason(void)
{
	switch ((enum guard_place)atomic_load(&guard_place)) {
	case GUARD_LEDGER: return "LEDGER_DAMAGED";
	case GUARD_STATE: return "STATE_DIFFERS";
	case GUARD_FILE: return "FILE_DAMAGED";
	}
	return "";
}

static size_t
put_sentence(char *out, size_t used)
{
	switch ((enum guard_place)atomic_load(&guard_place)) {
	case GUARD_LEDGER:
		used = put_text(out, used, "the ledger is damaged near transaction ");
		used = put_digits(out, used, atomic_load(&guard_seq));
		return put_text(out, used, ": a page of its file cannot be read. Restore the ledger from a good copy");
	case GUARD_STATE:
		return put_text(out, used,
		    "state/ is damaged: a page of its file cannot be read. It is derived: stop the daemon, empty state/, and it is "
		    "rebuilt");
	case GUARD_FILE:
		return put_text(out, used, "a file of the data directory is damaged: it cannot be opened or read");
	}
	return used;
}

static void
on_signal(int number)
{
	char text[512];
	size_t used = 0;
	bool json = atomic_load(&guard_json);

	(void)number;
	if (json) {
		used = put_text(text, used, "{\"status\":\"DATA_LOSS\",\"reason\":\"");
		used = put_text(text, used, reason());
		used = put_text(text, used, "\",\"message\":\"");
	} else {
		used = put_text(text, used, "fealty: ");
	}
	used = put_sentence(text, used);
	if (json && atomic_load(&guard_place) == GUARD_LEDGER) {
		used = put_text(text, used, "\",\"seq\":");
		used = put_digits(text, used, atomic_load(&guard_seq));
		used = put_text(text, used, "}\n");
	} else {
		used = put_text(text, used, json ? "\"}\n" : "\n");
	}
	ssize_t written = write(json ? STDOUT_FILENO : STDERR_FILENO, text, used);
	(void)written;
	_exit(EXIT_DAMAGED);
}

void
guard_begin(bool json)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	(void)sigemptyset(&action.sa_mask);
	atomic_store(&guard_json, json);
	guard_at(GUARD_FILE, 0);
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &action, &before[i]);
}

void
guard_at(enum guard_place place, uint64_t seq)
{
	atomic_store(&guard_place, (int)place);
	atomic_store(&guard_seq, seq);
}

void
guard_end(void)
{
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &before[i], NULL);
}
