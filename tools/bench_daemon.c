/* One request on a loop of its own: the caller waits. */
#include "bench_daemon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "base/clock.h"

#define ANSWER_SECONDS 5
#define ANSWER_BYTES_MAX (1 << 20)

struct answer {
	struct event_base *base;
	struct buf text;
	int code;			/* 0: none */
};

static void
on_answer(struct evhttp_request *request, void *ctx)
{
	struct answer *answer = ctx;

	event_base_loopbreak(answer->base);
	if (request == NULL)
		return;
	answer->code = evhttp_request_get_response_code(request);
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	size_t len = evbuffer_get_length(body);
	uint8_t *room = buf_room(&answer->text, len);

	if (room == NULL || evbuffer_remove(body, room, len) != (ssize_t)len)
		answer->code = 0;
	else
		answer->text.len += len;
}

/* "host:port", the host perhaps in brackets. */
static bool
split_address(const char *address, char ret_host[static 256], uint16_t *ret_port)
{
	const char *colon = strrchr(address, ':');
	bool brackets = address[0] == '[';
	char *end;

	if (colon == NULL || colon - address < (brackets ? 3 : 1) || colon - address > 255 || (brackets && colon[-1] != ']'))
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port < 1 || port > UINT16_MAX)
		return false;
	snprintf(ret_host, 256, "%.*s", (int)(colon - address) - (brackets ? 2 : 0), address + brackets);
	*ret_port = (uint16_t)port;
	return true;
}

/* Leaves answer->code 0 when there is none. */
static void
ask(struct answer *answer, const char *host, uint16_t port)
{
	struct evhttp_connection *connection = evhttp_connection_base_new(answer->base, NULL, host, port);
	struct evhttp_request *request = connection == NULL ? NULL : evhttp_request_new(on_answer, answer);

	if (request != NULL) {
		evhttp_connection_set_timeout(connection, ANSWER_SECONDS);
		evhttp_connection_set_max_body_size(connection, ANSWER_BYTES_MAX);
		evhttp_add_header(evhttp_request_get_output_headers(request), "Host", host);
		evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
		if (evhttp_make_request(connection, request, EVHTTP_REQ_GET, "/metrics") == 0)
			event_base_dispatch(answer->base);
	}
	if (connection != NULL)
		evhttp_connection_free(connection);
}

double
metrics_sum(struct bytes text, const char *name)
{
	const char *p = (const char *)text.data, *end = p + text.len;
	size_t len = strlen(name);
	double sum = NAN;

	while (p < end) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));

		if (line_end == NULL)
			break;
		if ((size_t)(line_end - p) > len && memcmp(p, name, len) == 0 && (p[len] == ' ' || p[len] == '{')) {
			const char *space = memrchr(p, ' ', (size_t)(line_end - p));
			double value = strtod(space + 1, NULL);		/* ends at the line's end, which is there */

			sum = isnan(sum) ? value : sum + value;
		}
		p = line_end + 1;
	}
	return sum;
}

static void
take_metrics(struct bytes text, struct daemon_reading *ret)
{
	ret->commands = metrics_sum(text, "fealty_commands_total");
	ret->commits = metrics_sum(text, "fealty_commits_total");
	ret->transactions = metrics_sum(text, "fealty_commit_transactions_sum");
	ret->entries = metrics_sum(text, "fealty_entries_total") - metrics_sum(text, "fealty_system_entries_total");
	ret->cpu_seconds = metrics_sum(text, "process_cpu_seconds_total");
	ret->memory_bytes = metrics_sum(text, "process_resident_memory_bytes");
}

bool
daemon_read(const char *address, struct daemon_reading *ret_reading, const char **ret_why)
{
	struct answer answer = { 0 };
	struct daemon_reading reading = { 0 };
	char host[256];
	uint16_t port;

	if (!split_address(address, host, &port)) {
		*ret_why = "it is no address such as 127.0.0.1:7451";
		return false;
	}
	buf_init(&answer.text);
	answer.base = event_base_new();
	if (answer.base != NULL) {
		ask(&answer, host, port);
		event_base_free(answer.base);
	}
	reading.at_us = clock_monotonic_us();
	if (answer.code == 200)
		take_metrics(buf_bytes(&answer.text), &reading);
	buf_release(&answer.text);
	if (answer.code != 200)
		*ret_why = answer.code == 0 ? "/metrics gave no answer" : "/metrics did not answer 200";
	else if (isnan(reading.commands + reading.commits + reading.cpu_seconds))
		*ret_why = "/metrics is not that of a fealtyd that serves";
	else
		*ret_reading = reading;
	return answer.code == 200 && !isnan(reading.commands + reading.commits + reading.cpu_seconds);
}

double
own_cpu_seconds(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) < 0)
		return NAN;
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}
