#!/usr/bin/env bash
# Writes src/descriptor.js from proto/*.proto, with protoc.  With an argument, to that file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out="${1:-src/descriptor.js}"
set_file="$(mktemp)"
trap 'rm -f "$set_file"' EXIT
protoc -I ../../proto --descriptor_set_out="$set_file" fealty.proto ledger.proto program.proto
{
	echo "// Made by tools/descriptor.sh from proto/*.proto: a google.protobuf.FileDescriptorSet in base64."
	echo "export default \`"
	base64 -w 120 "$set_file"
	echo "\`;"
} >"$out"
