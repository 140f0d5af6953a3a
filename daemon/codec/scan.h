/* scan.h: what protobuf-c does not check, over the wire bytes by descriptor.  Internal to codec/. */
#ifndef FEALTY_CODEC_SCAN_H
#define FEALTY_CODEC_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

/* The path of the offending field ("lines[2].amount"; a field that we do not know by its number) and a sentence. */
struct scan_fault { char path[96]; char sentence[160]; };

enum scan_result {
	SCAN_OK,		/* protobuf-c unpacks it, memory permitting, without losing anything */
	SCAN_REFUSED,		/* well-formed, but see ret_fault */
	SCAN_MALFORMED,		/* not protobuf at all */
};

#define SCAN_MESSAGES_MAX 1000	/* more than any command or program may have */

/**
 * scan_message(descriptor, bytes, ret_fault):
 * Refused are, at any depth: a field that the descriptor does not have, or that has another type on the wire; one that may stand once and
 * stands twice, or beside another of its oneof; text that is not UTF-8 or holds a NUL; an integer out of its type's range; an enum value
 * without name; more than SCAN_MESSAGES_MAX messages in one repeated field, of which those beyond are not looked into.
 * The first of these is the fault.  Allocates nothing; its depth is that of the message types, which do not recur.
 * The members of the oneof `op` and the field `definition` add nothing to the path.
 */
enum scan_result scan_message(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct scan_fault *ret_fault) MUST_CHECK;

#endif
