/* Names of the public enums. */
#include "fealty.h"

const char *
fealty_outcome_str(enum fealty_outcome outcome)
{
	switch (outcome) {
	case FEALTY_OK: return "OK";
	case FEALTY_REFUSED: return "REFUSED";
	case FEALTY_FAILED: return "FAILED";
	case FEALTY_UNKNOWN: return "UNKNOWN";
	}
	return "?";
}

const char *
fealty_log_answer_str(enum fealty_log_answer answer)
{
	switch (answer) {
	case FEALTY_LOG_HOLDS: return "HOLDS";
	case FEALTY_LOG_ROLLED_BACK: return "ROLLED_BACK";
	case FEALTY_LOG_FORKED: return "FORKED";
	case FEALTY_LOG_NOT_SIGNED: return "NOT_SIGNED";
	case FEALTY_LOG_NO_ANSWER: return "NO_ANSWER";
	case FEALTY_LOG_BAD_TRUST: return "BAD_TRUST";
	}
	return "?";
}

const char *
fealty_error_str(enum fealty_error error)
{
	switch (error) {
	case FEALTY_ERROR_NONE: return "no error";
	case FEALTY_ERROR_NOMEM: return "out of memory";
	case FEALTY_ERROR_ADDRESS: return "not an address: give unix:/path, /path, 127.0.0.1:port, or with TLS host:port";
	case FEALTY_ERROR_KEY: return "not a request id: 1 to 64 of A-Z a-z 0-9 . _ : -";
	case FEALTY_ERROR_TOO_LARGE: return "the message is larger than the server allows";
	case FEALTY_ERROR_QUEUE_FULL: return "too many calls are waiting already";
	case FEALTY_ERROR_CONNECT: return "the server cannot be reached";
	case FEALTY_ERROR_DEADLINE: return "no answer before the deadline";
	case FEALTY_ERROR_PROTOCOL: return "the server broke the protocol";
	case FEALTY_ERROR_REJECTED: return "the server ended the connection for good";
	case FEALTY_ERROR_IDENTITY: return "the server has another ledger, or takes us for another principal";
	case FEALTY_ERROR_ROLLED_BACK: return "the ledger is shorter than it was";
	case FEALTY_ERROR_CLOSED: return "the client is being closed";
	case FEALTY_ERROR_NO_TLS: return "another machine is reached by TLS only, with a CA, a certificate and its key";
	case FEALTY_ERROR_TLS: return "a certificate is not good";
	}
	return "?";
}

const char *
fealty_code_str(Fealty__V1__Code code)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(&fealty__v1__code__descriptor, (int)code);

	return value != NULL ? value->name : "?";
}
