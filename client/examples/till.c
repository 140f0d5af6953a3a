/*
 * A till that goes on without the server: it queues a purchase, and sends what is queued when it can.
 *
 *     cc till.c $(pkg-config --cflags --libs libfealty) -o till
 *     ./till /var/lib/till/queue pos/0042/07 card:8801 12.50 unix:/run/fealty/fealtyd.sock
 *
 * The purchase is on disk before anything is sent.  Whatever happens then, run it again: nothing is applied twice.
 */
#include <fealty_queue.h>

#include <stdio.h>

static void
print_answer(void *ctx, const struct fealty_queue_item *item)
{
	const Fealty__V1__Response *r = item->response;

	(void)ctx;
	if (item->refused)
		printf("%llu was refused: %s\n", (unsigned long long)item->seq, r->message);
	else
		printf("%llu is entry %s: granted %s\n", (unsigned long long)item->seq, r->id, r->granted != NULL ? r->granted : "nothing");
}

static int
complain(const struct fealty_queue *queue, enum fealty_queue_error error)
{
	fprintf(stderr, "%s: %s\n", fealty_queue_error_str(error), fealty_queue_trouble(queue));
	return 1;
}

static int
buy(struct fealty_queue *queue, char *member, char *amount)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Purchase op = FEALTY__V1__PURCHASE__INIT;
	struct fealty_queue_item item;

	op.member = member;
	op.amount = amount;
	request.op_case = FEALTY__V1__REQUEST__OP_PURCHASE;
	request.purchase = &op;
	enum fealty_queue_error error = fealty_queue_add(queue, &request, &item);
	if (error != FEALTY_QUEUE_OK)
		return complain(queue, error);
	printf("%llu is queued as %s\n", (unsigned long long)item.seq, item.key);
	return 0;
}

static int
upload(struct fealty_queue *queue, const char *address)
{
	struct fealty_options options;
	struct fealty_client *client;
	struct fealty_queue_upload how = { .total_ms = 3000, .on_answer = print_answer };
	struct fealty_queue_report report;

	fealty_options_init(&options);
	options.principal = fealty_queue_principal(queue);
	options.connects_max = 4;
	if (fealty_client_new(address, &options, NULL, &client) != FEALTY_ERROR_NONE) {
		fprintf(stderr, "no client for %s\n", address);
		return 1;
	}
	enum fealty_queue_error error = fealty_queue_upload(queue, client, &how, &report);
	printf("%u applied, %u refused, %u wait\n", report.applied, report.refused, report.waiting);
	fealty_client_free(client);
	return error == FEALTY_QUEUE_OK || error == FEALTY_QUEUE_UNREACHED ? 0 : complain(queue, error);
}

int
main(int argc, char **argv)
{
	char message[FEALTY_MESSAGE_BYTES];
	struct fealty_queue *queue;

	if (argc != 6) {
		fprintf(stderr, "usage: till QUEUE PRINCIPAL MEMBER AMOUNT ADDRESS\n");
		return 2;
	}
	struct fealty_queue_options options = { .principal = argv[2] };
	if (fealty_queue_open(argv[1], &options, &queue, message) != FEALTY_QUEUE_OK) {
		fprintf(stderr, "%s\n", message);
		return 1;
	}
	int code = buy(queue, argv[3], argv[4]);
	if (code == 0)
		code = upload(queue, argv[5]);
	fealty_queue_close(queue);
	return code;
}
