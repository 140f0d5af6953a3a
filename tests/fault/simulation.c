/*
 * A whole life of a ledger from one number: the daemon's service with its own threads, clients and an operator, a network that loses connections, a disk
 * that loses what was not flushed, processes that are killed, clocks that jump, months that pass.  The same seed gives the same life, byte for byte.
 *
 *     simulation --seed N [--trace]
 *     simulation --from N --count M [--seconds S]         each seed in a process of its own; a line of JSON at the end
 *
 * The daemon's code is the one that runs elsewhere, from service/ down.  In place of the rest: threads and clocks (simulation/fiber.h), the disk
 * (simulation/disk.h), net/ (simulation/link.h).  What is checked is in follow.c, clients.c and model.c beside them.
 *
 * Exit code 0: all held; 1: a seed failed, and says how to see it again; 2: wrong usage.  A process that was killed leaves what it had allocated, so
 * leaks are looked for in seeds without a crash only.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <simulation_commit.h>		/* the build makes it */

#include "ledger_world.h"
#include "service/figures.h"
#include "service/internal.h"
#include "simulation/disk.h"
#include "simulation/fiber.h"
#include "simulation/world.h"

#define HOUR_US (INT64_C(3600) * US_PER_SECOND)
#define SETTLE_US (6 * HOUR_US)
#define LIFE_SECONDS 300		/* a life takes a fifth of one: threads that run for ever end by SIGALRM */
#define CRASHES_MAX 10			/* each leaves a map of the address space behind */

enum trouble {
	TROUBLE_KILL, TROUBLE_KILL_SOON, TROUBLE_POWER_LOSS, TROUBLE_FSYNC_FAILS, TROUBLE_DISK_FULL, TROUBLE_CUT, TROUBLE_SLOW_DISK, TROUBLE_SLOW_NETWORK,
	TROUBLE_LEAP, TROUBLE_CLOCK_AHEAD, TROUBLE_CLOCK_BACK, TROUBLE_RESTART, TROUBLE_ROTATE, TROUBLE_COUNT
};

struct life figures;

static struct {
	uint64_t seed;
	bool traces;
	crypto_generichash_state digest;
	struct dice dice, disk_dice, network_dice, fiber_dice, random_dice;
	struct ledger_world files;
	char root[80], data[96], keys[96], head_lock[96];
	unsigned roots;

	struct service *service;		/* NULL: not running */
	struct net *net;
	struct fiber *process;			/* its main thread; NULL: there is none */
	bool ready, stop, fatal, start_failed, excused;	/* excused: its disk gave it a reason to fail */
	char message[SERVICE_MESSAGE_BYTES];
	int64_t start_us;			/* when the next process begins */
	int64_t trouble_us, watch_us, space_us;
	uint32_t wanted_commands, crashes_max;
	bool settling;
	uint32_t rotation, acceptance;		/* the newest rotate_key, clock_accept; NONE */
	bool up_to_date;
	bool power_loss;			/* is what was planned */
} world = { .rotation = NONE, .acceptance = NONE };

/* ---- what is said of a life ---- */

void
trace(const char *format, ...)
{
	char line[512];
	va_list args;

	int n = snprintf(line, sizeof(line), "%lld ", (long long)time_real_us());
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	n = n < (int)sizeof(line) ? n : (int)sizeof(line) - 1;
	crypto_generichash_update(&world.digest, (const uint8_t *)line, (unsigned long long)n);
	if (world.traces)
		printf("%s\n", line);
}

static void
remove_files(void)
{
	disk_remove(world.root);
}

void
broken(const char *format, ...)
{
	va_list args;

	printf("seed %llu fails after %u commands: ", (unsigned long long)world.seed, commands_count());
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n  see it again, at %s: build/tests/simulation --seed %llu --trace\n", FEALTY_COMMIT, (unsigned long long)world.seed);
	fflush(stdout);
	remove_files();
	_exit(1);
}

bool
excused(void)
{
	return world.excused;
}

bool
up_to_date(void)
{
	return world.up_to_date;
}

/* ---- the process ---- */

static void
on_fatal(void *ctx)
{
	(void)ctx;
	world.fatal = true;
	trace("the process gives up");
}

static bool
open_service(void)
{
	struct service_params params = {
		.data_path = world.data, .keys_path = world.keys, .head_lock_path = world.head_lock, .sign_threads = dice_below(&world.dice, 3),
		.snapshot_seconds = dice_below(&world.dice, 2) * 20, .epoch_hours = 24, .erasure_days = 30, .low_space_bytes = (uint64_t)1 << 20,
		.clock = clock_system(), .version = "simulated", .on_fatal = on_fatal,
	};
	struct net_limits limits = net_limits_default();

	if (service_open(&params, &world.service, world.message) != ST_OK)
		return false;
	struct net_handler handler = service_handler(world.service);
	return net_new(LINK_LOOPS, &limits, &handler, &world.net) == ST_OK && service_attach(world.service, world.net) == ST_OK
	    && net_start(world.net) == ST_OK;
}

/* As main() of the daemon does. */
static void *
process_main(void *arg)
{
	(void)arg;
	if (!open_service()) {
		world.start_failed = true;
		return NULL;
	}
	trace("ready with %llu transactions", (unsigned long long)service_size(world.service));
	world.ready = true;
	while (!world.stop && !world.fatal) {
		(void)fiber_wait(&world, time_us() + US_PER_SECOND);
		service_tick(world.service);
	}
	world.ready = false;
	net_stop_accepting(world.net);
	service_drain(world.service);
	net_stop(world.net);
	service_close(world.service);
	net_free(world.net);
	world.service = NULL;
	world.net = NULL;
	return NULL;
}

static void
start_process(void)
{
	world.ready = world.stop = world.fatal = world.start_failed = false;
	trace("a process begins");
	world.process = fiber_new(process_main, NULL);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
set_paths(const char *root)
{
	snprintf(world.root, sizeof(world.root), "%s", root);
	snprintf(world.data, sizeof(world.data), "%s/data", root);
	snprintf(world.keys, sizeof(world.keys), "%s/keys", root);
	snprintf(world.head_lock, sizeof(world.head_lock), "%s/head.lock", root);
}

static int64_t
pause_us(void)
{
	switch (world.settling ? 2 : dice_below(&world.dice, 8)) {
	case 0: return dice_between(&world.dice, HOUR_US, 40 * 24 * HOUR_US);
	case 1: return dice_between(&world.dice, US_PER_SECOND, HOUR_US);
	default: return dice_between(&world.dice, 1000, 5 * US_PER_SECOND);
	}
}

/* It was killed, in a call or between two. */
static void
bury(bool power_loss)
{
	char root[sizeof(world.root)];

	trace("the process is gone: %s", power_loss ? "power loss" : "killed");
	figures.crashes++;
	figures.power_losses += power_loss;
	fibers_abandon();
	links_orphan();
	snprintf(root, sizeof(root), "%.60s.%u", world.files.root, ++world.roots);
	disk_restart(root, power_loss);
	set_paths(root);
	world.service = NULL;
	world.net = NULL;
	world.process = NULL;
	world.ready = world.excused = false;
	world.start_us = time_us() + pause_us();
}

/* It ended by itself. */
static void
end_process(void)
{
	struct fiber *f = world.process;

	trace("the process has ended%s", world.start_failed ? ": it could not start" : "");
	if (world.start_failed && !world.excused)
		broken("the daemon does not start: %s", world.message);
	if (world.fatal && !world.excused)
		broken("the commit thread gave up");
	fiber_join(f);
	world.excused = false;
	disk_has_space();
	disk_plan(DISK_NO_FAULT, 0);
	world.process = NULL;
	world.start_us = time_us() + pause_us();
	figures.restarts++;
}

/* ---- trouble ---- */

static void
plan_fault(enum disk_fault fault, uint32_t calls)
{
	bool kills = fault == DISK_KILL || fault == DISK_POWER_LOSS;

	if (disk_planned() || disk_is_full() || (kills && figures.crashes >= world.crashes_max))
		return;
	trace("%s in %u calls", disk_fault_str(fault), calls);
	world.power_loss = fault == DISK_POWER_LOSS;
	world.excused |= fault == DISK_FSYNC_FAILS || fault == DISK_FULL;
	disk_plan(fault, calls);
	world.space_us = time_us() + dice_between(&world.dice, 1000, 3 * US_PER_SECOND);
}

static void
leap(int64_t us)
{
	figures.leaps++;
	trace("%lld s pass at once", (long long)(us / US_PER_SECOND));
	time_pass_to(time_us() + us);
}

static void
rotate(void)
{
	bool checkpoint = dice_once_in(&world.dice, 2);

	if (world.rotation != NONE && !command_at(world.rotation)->over)
		return;
	if (world.service == NULL || !world.ready)
		return;
	uint32_t index = command_new(DEED_ROTATE, 0);
	struct command *c = command_at(index);
	c->checkpoint_key = checkpoint;
	if (keys_next_create(world.keys, checkpoint ? KEY_CHECKPOINT : KEY_TRANSACTION, c->new_key) != ST_OK) {
		c->over = true;			/* one is there: of a rotation that was refused */
		return;
	}
	if (client_command(index))
		world.rotation = index;
}

static void
make_trouble(void)
{
	struct dice *d = &world.dice;

	switch ((enum trouble)dice_below(d, TROUBLE_COUNT)) {
	case TROUBLE_KILL: plan_fault(DISK_KILL, dice_below(d, 200)); break;
	case TROUBLE_KILL_SOON: plan_fault(DISK_KILL, dice_below(d, 20)); break;
	case TROUBLE_POWER_LOSS: plan_fault(DISK_POWER_LOSS, dice_below(d, 100)); break;
	case TROUBLE_FSYNC_FAILS: plan_fault(DISK_FSYNC_FAILS, dice_below(d, 50)); break;
	case TROUBLE_DISK_FULL: plan_fault(DISK_FULL, dice_below(d, 60)); break;
	case TROUBLE_CUT:
		for (uint32_t n = 1 + dice_below(d, 4); n > 0; n--)
			clients_cut_one();
		break;
	case TROUBLE_SLOW_DISK: disk_set_flush_us(dice_once_in(d, 3) ? dice_between(d, 1, 800000) : dice_between(d, 1, 8000)); break;
	case TROUBLE_SLOW_NETWORK: links_set_delay_us(dice_once_in(d, 3) ? dice_between(d, 1, 3000000) : dice_between(d, 1, 20000)); break;
	case TROUBLE_LEAP: leap(dice_once_in(d, 3) ? dice_between(d, 24 * HOUR_US, 60 * 24 * HOUR_US) : dice_between(d, US_PER_SECOND, 24 * HOUR_US)); break;
	case TROUBLE_CLOCK_AHEAD:
		trace("the clock jumps ahead");
		time_set_real(time_real_us() + dice_between(d, HOUR_US, 30 * 24 * HOUR_US));
		break;
	case TROUBLE_CLOCK_BACK:
		trace("the clock is set back");
		time_set_real(time_real_us() - dice_between(d, 1, HOUR_US));
		break;
	case TROUBLE_RESTART:
		if (world.process != NULL) {
			trace("the process is to end");
			world.stop = true;
			fiber_notify(&world, true);
		}
		break;
	case TROUBLE_ROTATE: rotate(); break;
	case TROUBLE_COUNT: break;
	}
	world.trouble_us = time_us() + dice_between(d, 1000, dice_once_in(d, 2) ? 200000 : 2 * US_PER_SECOND);
}

/* An operator who looks now and then. */
static void
watch(void)
{
	world.watch_us = time_us() + dice_between(&world.dice, US_PER_SECOND, 30 * US_PER_SECOND);
	if (!world.ready || service_readiness(world.service) != SERVICE_WAITS_FOR_CLOCK)
		return;
	if (world.acceptance == NONE || command_at(world.acceptance)->over)
		world.acceptance = command_new(DEED_CLOCK, 0);
	else
		return;
	if (!client_command(world.acceptance))
		world.acceptance = NONE;
}

static void
world_acts(void)
{
	if (world.process == NULL && world.start_us <= time_us())
		start_process();
	if (disk_is_full() && world.space_us <= time_us()) {
		trace("there is space again");
		disk_has_space();
	}
	if (world.watch_us <= time_us())
		watch();
	if (!world.settling && world.trouble_us <= time_us())
		make_trouble();
	if (!world.settling && commands_count() >= world.wanted_commands) {
		trace("no more commands");
		world.settling = true;
		world.start_us = least(world.start_us, time_us() + US_PER_SECOND);
		disk_has_space();
		disk_plan(DISK_NO_FAULT, 0);
		disk_set_flush_us(1000);
		links_set_delay_us(1000);
		clients_settle();
	}
}

/* ---- a life ---- */

static int64_t
next_us(void)
{
	int64_t us = least(least(fibers_due_us(), links_due_us()), least(clients_due_us(), world.watch_us));

	if (world.process == NULL)
		us = least(us, world.start_us);
	if (disk_is_full())
		us = least(us, world.space_us);
	return world.settling ? us : least(us, world.trouble_us);
}

static void
run_process(void)
{
	while (!disk_stopped() && fibers_step()) {
	}
	if (disk_stopped())
		bury(world.power_loss);
	else if (world.process != NULL && fiber_done(world.process))
		end_process();
	world.up_to_date = world.service != NULL && world.ready && follow(world.service->store);
}

static void
live(void)
{
	int64_t settle_us = 0;

	for (;;) {
		run_process();
		if (world.settling && world.ready && clients_settled(followed()))
			return;
		if (world.settling && settle_us == 0)
			settle_us = time_us() + SETTLE_US;
		if (world.settling && time_us() > settle_us)
			broken("six hours after the last trouble there are still commands without an answer");
		time_pass_to(next_us());
		links_deliver();
		world_acts();
		clients_act(world.net);
	}
}

static void
end_well(void)
{
	world.stop = true;
	fiber_notify(&world, true);
	while (!fiber_done(world.process)) {
		while (fibers_step()) {
		}
		if (fiber_done(world.process))
			break;
		time_pass_to(least(fibers_due_us(), links_due_us()));
		links_deliver();
	}
	fiber_join(world.process);
	if (world.fatal)
		broken("the commit thread gave up at the end");
}

static uint32_t
random_word(void)
{
	return (uint32_t)(dice_next(&world.random_dice) >> 32);
}

static void
random_bytes(void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = (uint8_t)(dice_next(&world.random_dice) >> 56);
}

static const char *
random_name(void)
{
	return "simulation";
}

static void
begin(uint64_t seed)
{
	static struct randombytes_implementation from_seed = { .implementation_name = random_name, .random = random_word, .buf = random_bytes };

	world.seed = seed;
	world.dice.state = seed * 8;
	world.disk_dice.state = seed * 8 + 1;
	world.network_dice.state = seed * 8 + 2;
	world.fiber_dice.state = seed * 8 + 3;
	world.random_dice.state = seed * 8 + 4;
	if (randombytes_set_implementation(&from_seed) != 0 || sodium_init() < 0)
		broken("libsodium does not start");
	crypto_generichash_init(&world.digest, NULL, 0, SHA256_BYTES);
	fibers_begin(&world.fiber_dice);
	ledger_world_init(&world.files, false);
	set_paths(world.files.root);
	time_set_real(kst("2026-03-02T10:00:00"));
	disk_begin(&world.disk_dice, world.root);
	disk_set_flush_us(4000);
	links_begin(&world.network_dice, clients_receive);
	clients_begin(&world.dice);
	world.crashes_max = dice_once_in(&world.dice, 8) ? 0 : CRASHES_MAX;
	world.wanted_commands = 100 + dice_below(&world.dice, 400);
	world.trouble_us = time_us() + 2 * US_PER_SECOND;
	world.start_us = world.watch_us = time_us();
}

static void
play(uint64_t seed, uint8_t ret_digest[static SHA256_BYTES])
{
	begin(seed);
	int64_t begun_us = time_real_us();
	live();
	end_well();
	disk_forget();
	follow_check(world.data, world.head_lock);
	figures.lived_us = time_real_us() - begun_us;
	crypto_generichash_final(&world.digest, ret_digest, SHA256_BYTES);
	links_free();
	clients_free();
	commands_free();
	keys_free(world.files.keys);
	arena_release(&world.files.arena);
	remove_files();
}

/* ---- seeds ---- */

static void
hex(const uint8_t digest[static SHA256_BYTES], char ret[static 2 * SHA256_BYTES + 1])
{
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* What was allocated by processes that were killed is no leak of theirs. */
static _Noreturn void
end(int code)
{
	fflush(stdout);
	if (figures.crashes > 0)
		_exit(code);
	exit(code);
}

static void
play_one(uint64_t seed, bool traces)
{
	uint8_t digest[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	world.traces = traces;
	play(seed, digest);
	hex(digest, text);
	printf("seed %llu at %s: %s\n", (unsigned long long)seed, FEALTY_COMMIT, text);
	end(0);
}

struct report { struct life figures; uint8_t digest[SHA256_BYTES]; };

/* False: it failed, and has said why. */
static bool
play_apart(uint64_t seed, struct report *ret)
{
	int pipe_fds[2], status;

	fflush(stdout);
	if (pipe(pipe_fds) != 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		alarm(LIFE_SECONDS);
		play(seed, ret->digest);
		ret->figures = figures;
		bool told = write(pipe_fds[1], ret, sizeof(*ret)) == sizeof(*ret);
		end(told ? 0 : 1);
	}
	close(pipe_fds[1]);
	bool ok = pid > 0 && read(pipe_fds[0], ret, sizeof(*ret)) == sizeof(*ret);
	close(pipe_fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) > 1))
		printf("seed %llu at %s ends by %s %d\n", (unsigned long long)seed, FEALTY_COMMIT, WIFSIGNALED(status) ? "signal" : "exit code",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
add_up(struct life *sum, const struct life *one)
{
	sum->commands += one->commands;
	sum->answers += one->answers;
	sum->refusals += one->refusals;
	sum->crashes += one->crashes;
	sum->power_losses += one->power_losses;
	sum->restarts += one->restarts;
	sum->cuts += one->cuts;
	sum->leaps += one->leaps;
	sum->pushes += one->pushes;
	sum->repeats += one->repeats;
	sum->lived_us += one->lived_us;
}

static int
play_many(uint64_t from, uint64_t count, int64_t seconds)
{
	struct life sum = { 0 };
	struct timespec begun, now;
	uint64_t n = 0, failed = 0;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (; n < count; n++) {
		struct report told;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (seconds > 0 && now.tv_sec - begun.tv_sec >= seconds)
			break;
		if (play_apart(from + n, &told))
			add_up(&sum, &told.figures);
		else
			failed++;
	}
	printf("{\"commit\": \"%s\", \"from\": %llu, \"seeds\": %llu, \"failed\": %llu, \"days\": %lld, \"commands\": %llu, \"answers\": %llu, \"refusals\": %llu, "
	    "\"repeats\": %llu, \"crashes\": %llu, \"power_losses\": %llu, \"restarts\": %llu, \"cuts\": %llu, \"leaps\": %llu, \"pushes\": %llu}\n", FEALTY_COMMIT,
	    (unsigned long long)from, (unsigned long long)n, (unsigned long long)failed, (long long)(sum.lived_us / US_PER_DAY),
	    (unsigned long long)sum.commands, (unsigned long long)sum.answers, (unsigned long long)sum.refusals, (unsigned long long)sum.repeats,
	    (unsigned long long)sum.crashes, (unsigned long long)sum.power_losses, (unsigned long long)sum.restarts, (unsigned long long)sum.cuts,
	    (unsigned long long)sum.leaps, (unsigned long long)sum.pushes);
	return failed > 0;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' }, { "trace", no_argument, NULL, 't' }, { "from", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' }, { "seconds", required_argument, NULL, 'l' }, { 0 },
	};
	uint64_t seed = 0, from = 1, count = 0;
	int64_t seconds = 0;
	bool one = false, traces = false;

	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);	/* in memory: what a disk would do is simulated anyway */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case 's': seed = strtoull(optarg, NULL, 10); one = true; break;
		case 't': traces = true; break;
		case 'f': from = strtoull(optarg, NULL, 10); break;
		case 'c': count = strtoull(optarg, NULL, 10); break;
		case 'l': seconds = strtoll(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	if (one == (count > 0) || (traces && !one)) {
		fprintf(stderr, "Usage: simulation --seed N [--trace], or --from N --count M [--seconds S]\n");
		return 2;
	}
	if (one)
		play_one(seed, traces);
	return play_many(from, count, seconds);
}
