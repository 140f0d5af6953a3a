/**
 * What the machine allows, whatever the program: Ed25519 by libsodium on one core and on all, fdatasync of the disk, appending to LMDB, copying pages.
 *
 *     limits DIRECTORY [SECONDS]
 *
 * Each measurement takes SECONDS (1).  Prints one JSON object; files are made in DIRECTORY and removed.  Exit code 2: it could not be measured.
 *
 * Messages are as long as a transaction with one purchase, LMDB's records those of FACTS about it: 256 bytes under growing keys.  fdatasync is
 * measured twice: of a file that grows by every write, and of one that is overwritten, as LMDB's pages mostly are.  Pages of 4 KiB are copied from
 * anywhere to anywhere, within what the processor keeps near and within much more: that is what becomes dearer when a ledger grows.
 */
#include <err.h>
#include <lmdb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "../../tools/bench_disk.h"

#define MESSAGE_BYTES 600
#define RECORD_BYTES 256
#define MAP_BYTES ((size_t)64 << 30)
#define THREADS_MAX 256
#define PAGE ((size_t)4096)
#define NEAR_BYTES ((size_t)1 << 20)
#define FAR_BYTES ((size_t)1 << 30)

static double
now_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- signatures ---- */

struct crew {
	bool verifies;
	double seconds;
	pthread_barrier_t start;
	atomic_ulong done;
};

/* One thread's share: its own key, its own messages. */
static void *
work(void *ctx)
{
	struct crew *crew = ctx;
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
	uint8_t message[MESSAGE_BYTES] = { 0 };
	unsigned long n = 0;

	(void)crypto_sign_keypair(public_key, secret);
	(void)crypto_sign_detached(signature, NULL, message, sizeof(message), secret);
	(void)pthread_barrier_wait(&crew->start);
	for (double end = now_seconds() + crew->seconds; now_seconds() < end; n++) {
		if (crew->verifies) {
			if (crypto_sign_verify_detached(signature, message, sizeof(message), public_key) != 0)
				errx(2, "libsodium does not verify its own signature");
		} else {
			put_be64(message, n);
			(void)crypto_sign_detached(signature, NULL, message, sizeof(message), secret);
		}
	}
	atomic_fetch_add(&crew->done, n);
	return NULL;
}

static double
signatures_per_second(bool verifies, unsigned threads, double seconds)
{
	struct crew crew = { .verifies = verifies, .seconds = seconds };
	pthread_t thread[THREADS_MAX];

	if (pthread_barrier_init(&crew.start, NULL, threads) != 0)
		errx(2, "no threads");
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, &crew) != 0)
			errx(2, "no threads");
	for (unsigned i = 0; i < threads; i++)
		(void)pthread_join(thread[i], NULL);
	(void)pthread_barrier_destroy(&crew.start);
	return (double)atomic_load(&crew.done) / seconds;
}

/* ---- LMDB ---- */

static void
must(int code, const char *what)
{
	if (code != 0)
		errx(2, "%s: %s", what, mdb_strerror(code));
}

static void
append_txn(MDB_env *env, MDB_dbi dbi, uint64_t first, unsigned records)
{
	uint8_t key_bytes[8], record[RECORD_BYTES] = { 0 };
	MDB_val key = { sizeof(key_bytes), key_bytes }, value = { sizeof(record), record };
	MDB_txn *txn;

	must(mdb_txn_begin(env, NULL, 0, &txn), "LMDB: transaction");
	for (uint64_t i = first; i < first + records; i++) {
		put_be64(key_bytes, i);
		put_be64(record, ~i);
		must(mdb_put(txn, dbi, &key, &value, MDB_APPEND), "LMDB: record");
	}
	must(mdb_txn_commit(txn), "LMDB: commit");
}

static double
appends_per_second(const char *path, unsigned flags, unsigned records, double seconds)
{
	char lock[4096 + 8];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint64_t n = 0;

	must(mdb_env_create(&env), "LMDB");
	must(mdb_env_set_mapsize(env, MAP_BYTES), "LMDB: map");
	must(mdb_env_open(env, path, MDB_NOSUBDIR | flags, 0600), path);
	must(mdb_txn_begin(env, NULL, 0, &txn), path);
	must(mdb_dbi_open(txn, NULL, 0, &dbi), path);
	must(mdb_txn_commit(txn), path);
	double begin = now_seconds();
	while (now_seconds() - begin < seconds) {
		append_txn(env, dbi, n, records);
		n += records;
	}
	double took = now_seconds() - begin;
	mdb_env_close(env);
	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	if (unlink(path) != 0 || unlink(lock) != 0)
		warn("%s is left", path);
	return (double)n / took;
}

/* ---- memory ---- */

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Without huge pages, as files are mapped. */
static double
page_copy_ns(size_t bytes, double seconds)
{
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t n = 0, seed = 88172645463325252, pages = bytes / PAGE;

	if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE) != 0)
		err(2, "memory");
	memset(memory, 1, bytes);
	double begin = now_seconds();
	while (now_seconds() - begin < seconds) {
		for (unsigned i = 0; i < 100; i++, n++) {
			uint64_t from = next_random(&seed) % pages, to = next_random(&seed) % pages;
			memmove(memory + to * PAGE, memory + from * PAGE, PAGE);
		}
	}
	double took = now_seconds() - begin;
	(void)munmap(memory, bytes);
	return took / (double)n * 1e9;
}

/* ---- the whole ---- */

static void
print_flushes(const char *directory, const char *name, bool appended, double seconds)
{
	struct disk_flushes flushes;

	if (!disk_flushes_measure(directory, appended, seconds, &flushes))
		err(2, "fdatasync in %s", directory);
	printf("\"%s\":{\"flushes\":%u,\"mean_ms\":%.5f,\"p50_ms\":%.5f,\"p99_ms\":%.5f},", name, flushes.n, flushes.mean_seconds * 1e3,
	    flushes.p50_seconds * 1e3, flushes.p99_seconds * 1e3);
}

static void
print_appends(const char *directory, double seconds)
{
	static const unsigned sizes[] = { 1, 100, 1000 };
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/limits-%ld.mdb", directory, (long)getpid()) >= (int)sizeof(path))
		errx(2, "%s: too long", directory);
	printf("\"lmdb_records_per_second\":{");
	for (unsigned synced = 0; synced < 2; synced++) {
		printf("%s\"%s\":{", synced > 0 ? "," : "", synced > 0 ? "synced" : "unsynced");
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			printf("%s\"%u\":%.1f", i > 0 ? "," : "", sizes[i], appends_per_second(path, synced > 0 ? 0 : MDB_NOSYNC, sizes[i], seconds));
		putchar('}');
	}
	puts("}}");
}

int
main(int argc, char **argv)
{
	double seconds = argc == 3 ? strtod(argv[2], NULL) : 1;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (argc < 2 || argc > 3 || !(seconds > 0))
		errx(2, "usage: %s DIRECTORY [SECONDS]", argv[0]);
	if (sodium_init() < 0 || cores < 1)
		errx(2, "libsodium cannot begin");
	unsigned all = cores < THREADS_MAX ? (unsigned)cores : THREADS_MAX;
	printf("{\"sodium\":\"%s\",\"lmdb\":\"%d.%d.%d\",\"cores\":%u,", sodium_version_string(), MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH, all);
	printf("\"sign_one\":%.1f,", signatures_per_second(false, 1, seconds));
	printf("\"sign_all\":%.1f,", signatures_per_second(false, all, seconds));
	printf("\"verify_one\":%.1f,", signatures_per_second(true, 1, seconds));
	printf("\"verify_all\":%.1f,", signatures_per_second(true, all, seconds));
	printf("\"page_copy_near_ns\":%.1f,", page_copy_ns(NEAR_BYTES, seconds));
	printf("\"page_copy_far_ns\":%.1f,", page_copy_ns(FAR_BYTES, seconds));
	print_flushes(argv[1], "fdatasync_appended", true, seconds);
	print_flushes(argv[1], "fdatasync_in_place", false, seconds);
	print_appends(argv[1], seconds);
	return 0;
}
