/**
 * Versions are kept in the order in which they were published, which is the order of their instants.  A version is immutable and lives as
 * long as the table, so a pointer to it may leave the lock.  Only the writer adds; n_shown is what readers may see.
 */
#include "apply/programs.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM_ARENA_BYTES ((size_t)4 * 1024 * 1024)

struct version {
	struct arena arena;		/* owns program and definition */
	struct program *program;
	struct bytes definition;
};

struct programs {
	pthread_rwlock_t lock;		/* guards all below against readers */
	struct version **versions;
	size_t n, n_shown, cap;
};

enum status
programs_new(struct programs **ret_programs)
{
	struct programs *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ST_NOMEM;
	pthread_rwlock_init(&p->lock, NULL);
	*ret_programs = p;
	return ST_OK;
}

static void
version_free(struct version *v)
{
	if (v == NULL)
		return;
	arena_release(&v->arena);
	free(v);
}

void
programs_free(struct programs *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		version_free(p->versions[i]);
	free(p->versions);
	pthread_rwlock_destroy(&p->lock);
	free(p);
}

enum status
program_from_bytes(struct bytes definition, struct bytes zone_data, struct arena *arena, struct program **ret_program,
    struct program_error *ret_error)
{
	struct program_def *def;
	struct zone *zone = arena_alloc(arena, sizeof(*zone));

	if (zone == NULL)
		return ST_NOMEM;
	enum status st = codec_program_def(definition, arena, &def, ret_error);
	if (st != ST_OK)
		return st;
	if (zone_parse(zone_data, zone) != ST_OK) {
		*ret_error = (struct program_error){ .path = "timezone", .sentence = "its time zone data cannot be read" };
		return ST_INVALID;
	}
	return program_compile(def, zone, arena, ret_program, ret_error);
}

static enum status
version_compile(struct bytes definition, struct bytes zone_data, struct version **ret_version)
{
	struct version *v = calloc(1, sizeof(*v));
	struct program_error error;

	if (v == NULL)
		return ST_NOMEM;
	arena_init(&v->arena, PROGRAM_ARENA_BYTES);
	char *copy = arena_memdup(&v->arena, definition.data, definition.len);
	enum status st = copy == NULL ? ST_NOMEM : program_from_bytes(definition, zone_data, &v->arena, &v->program, &error);
	if (st != ST_OK) {
		version_free(v);
		return st;
	}
	v->definition = bytes_of(copy, definition.len);
	*ret_version = v;
	return ST_OK;
}

static bool
is_next(const struct programs *p, uint32_t number, uint32_t version, const char *id)
{
	const struct program *before = programs_writer_version(p, number, version - 1);

	if (version == 1)
		return number == programs_writer_count(p) + 1 && programs_writer_number(p, id) == 0;
	return before != NULL && programs_writer_version(p, number, version) == NULL && strcmp(before->id, id) == 0;
}

enum status
programs_add(struct programs *p, uint32_t number, uint32_t version, struct bytes definition, struct bytes zone_data, int64_t at_us)
{
	struct version *v;

	enum status st = version_compile(definition, zone_data, &v);
	if (st != ST_OK)
		return st;
	if (number == 0 || version == 0 || !is_next(p, number, version, v->program->id)) {
		version_free(v);
		return ST_INVALID;
	}
	v->program->number = number;
	v->program->version = version;
	v->program->in_force_us = at_us;

	pthread_rwlock_wrlock(&p->lock);
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 8 : p->cap * 2;
		struct version **grown = realloc(p->versions, cap * sizeof(*grown));
		if (grown == NULL) {
			pthread_rwlock_unlock(&p->lock);
			version_free(v);
			return ST_NOMEM;
		}
		p->versions = grown;
		p->cap = cap;
	}
	p->versions[p->n++] = v;
	pthread_rwlock_unlock(&p->lock);
	return ST_OK;
}

void
programs_show(struct programs *p)
{
	if (p->n_shown == p->n)
		return;
	pthread_rwlock_wrlock(&p->lock);
	p->n_shown = p->n;
	pthread_rwlock_unlock(&p->lock);
}

void
programs_forget_hidden(struct programs *p)
{
	pthread_rwlock_wrlock(&p->lock);
	while (p->n > p->n_shown)
		version_free(p->versions[--p->n]);
	pthread_rwlock_unlock(&p->lock);
}

static const struct version *
find_at(const struct programs *p, size_t n, uint32_t number, int64_t at_us)
{
	for (size_t i = n; i > 0; i--) {
		const struct program *program = p->versions[i - 1]->program;
		if (program->number == number && program->in_force_us <= at_us)
			return p->versions[i - 1];
	}
	return NULL;
}

static const struct version *
find_version(const struct programs *p, size_t n, uint32_t number, uint32_t version)
{
	for (size_t i = n; i > 0; i--) {
		const struct program *program = p->versions[i - 1]->program;
		if (program->number == number && program->version == version)
			return p->versions[i - 1];
	}
	return NULL;
}

static uint32_t
find_number(const struct programs *p, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(p->versions[i]->program->id, id) == 0)
			return p->versions[i]->program->number;
	}
	return 0;
}

static uint32_t
find_count(const struct programs *p, size_t n)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += p->versions[i]->program->version == 1;
	return count;
}

const struct program *
programs_writer_at(const struct programs *p, uint32_t number, int64_t at_us)
{
	const struct version *v = find_at(p, p->n, number, at_us);

	return v == NULL ? NULL : v->program;
}

const struct program *
programs_writer_version(const struct programs *p, uint32_t number, uint32_t version)
{
	const struct version *v = find_version(p, p->n, number, version);

	return v == NULL ? NULL : v->program;
}

uint32_t
programs_writer_number(const struct programs *p, const char *id)
{
	return find_number(p, p->n, id);
}

uint32_t
programs_writer_count(const struct programs *p)
{
	return find_count(p, p->n);
}

const struct program *
programs_at(struct programs *p, uint32_t number, int64_t at_us)
{
	pthread_rwlock_rdlock(&p->lock);
	const struct version *v = find_at(p, p->n_shown, number, at_us);
	pthread_rwlock_unlock(&p->lock);
	return v == NULL ? NULL : v->program;
}

const struct program *
programs_version(struct programs *p, uint32_t number, uint32_t version)
{
	pthread_rwlock_rdlock(&p->lock);
	const struct version *v = find_version(p, p->n_shown, number, version);
	pthread_rwlock_unlock(&p->lock);
	return v == NULL ? NULL : v->program;
}

struct bytes
programs_definition(struct programs *p, uint32_t number, uint32_t version)
{
	pthread_rwlock_rdlock(&p->lock);
	const struct version *v = find_version(p, p->n_shown, number, version);
	pthread_rwlock_unlock(&p->lock);
	return v == NULL ? bytes_of(NULL, 0) : v->definition;
}

uint32_t
programs_number(struct programs *p, const char *id)
{
	pthread_rwlock_rdlock(&p->lock);
	uint32_t number = find_number(p, p->n_shown, id);
	pthread_rwlock_unlock(&p->lock);
	return number;
}

uint32_t
programs_count(struct programs *p)
{
	pthread_rwlock_rdlock(&p->lock);
	uint32_t count = find_count(p, p->n_shown);
	pthread_rwlock_unlock(&p->lock);
	return count;
}
