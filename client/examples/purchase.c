/*
 * A till in one page: enrols a member, records a purchase, shows the balance.
 *
 *     cc purchase.c $(pkg-config --cflags --libs libfealty) -o purchase
 *     ./purchase unix:/run/fealty/fealtyd.sock
 *     ./purchase 127.0.0.1:7450 card:8801 pos/0042/07
 *
 * Each command is sent under a request id (its key).  When a call ends as UNKNOWN, nobody knows whether the command was applied: ask
 * again under the same key, and the ledger answers with what happened, without ever applying it twice.
 */
#include <fealty.h>

#include <stdio.h>
#include <string.h>

#define TRIES 3

/* Sends a command until its outcome is known.  True when it was done; ${ret_result} is the caller's to release. */
static bool
send_command(struct fealty_client *client, Fealty__V1__Request *request, struct fealty_result *ret_result)
{
	static char key[FEALTY_KEY_BYTES_MAX + 1];

	for (int i = 0; i < TRIES; i++) {
		switch (fealty_call(client, request, ret_result)) {
		case FEALTY_OK:
			return true;
		case FEALTY_REFUSED:
		case FEALTY_FAILED:
			return false;
		case FEALTY_UNKNOWN:
			memcpy(key, ret_result->key, sizeof key);
			request->key = key;
			break;
		}
		if (i < TRIES - 1)
			fealty_result_release(ret_result);
	}
	return false;
}

static int
complain(const char *what, struct fealty_result *result)
{
	fprintf(stderr, "%s: %s: %s\n", what, fealty_outcome_str(result->outcome), result->message);
	fealty_result_release(result);
	return 1;
}

static int
enrol(struct fealty_client *client, char *member)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Enrol op = FEALTY__V1__ENROL__INIT;
	struct fealty_result result;

	op.member = member;
	request.op_case = FEALTY__V1__REQUEST__OP_ENROL;
	request.enrol = &op;
	bool done = send_command(client, &request, &result);
	bool known = result.outcome == FEALTY_REFUSED && result.response->status == FEALTY__V1__CODE__ALREADY_EXISTS;
	if (!done && !known)
		return complain("enrol", &result);
	printf("%s is %s\n", member, known ? "a member already" : "a member now");
	fealty_result_release(&result);
	return 0;
}

static int
purchase(struct fealty_client *client, char *member, char *amount)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Purchase op = FEALTY__V1__PURCHASE__INIT;
	struct fealty_result result;

	op.member = member;
	op.amount = amount;
	request.op_case = FEALTY__V1__REQUEST__OP_PURCHASE;
	request.purchase = &op;
	if (!send_command(client, &request, &result))
		return complain("purchase", &result);
	printf("a purchase of %s earned %s points, recorded as entry %s\n", amount, result.response->granted, result.response->id);
	fealty_result_release(&result);
	return 0;
}

static int
balance(struct fealty_client *client, char *member)
{
	Fealty__V1__Request request = FEALTY__V1__REQUEST__INIT;
	Fealty__V1__Balance op = FEALTY__V1__BALANCE__INIT;
	struct fealty_result result;

	op.member = member;
	request.op_case = FEALTY__V1__REQUEST__OP_BALANCE;
	request.balance = &op;
	if (!send_command(client, &request, &result))
		return complain("balance", &result);
	printf("%s has %s points\n", member, result.response->available);
	fealty_result_release(&result);
	return 0;
}

int
main(int argc, char **argv)
{
	char amount[] = "12.50", somebody[] = "card:example-1";
	struct fealty_options options;
	struct fealty_client *client;

	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: %s ADDRESS [MEMBER [PRINCIPAL]]\n", argv[0]);
		return 2;
	}
	char *member = argc > 2 ? argv[2] : somebody;
	fealty_options_init(&options);
	options.principal = argc > 3 ? argv[3] : NULL;
	enum fealty_error error = fealty_client_new(argv[1], &options, NULL, &client);
	if (error != FEALTY_ERROR_NONE) {
		fprintf(stderr, "%s: %s\n", argv[1], fealty_error_str(error));
		return 2;
	}
	int status = enrol(client, member);
	if (status == 0)
		status = purchase(client, member, amount);
	if (status == 0)
		status = balance(client, member);
	fealty_client_free(client);
	return status;
}
