#!/usr/bin/env bash
# Puts @sigstore/verify, as package-lock.json has it, into BUILD/sigstore, beside receipt.mjs: install.sh BUILD.  No scripts of packages run.
# The network is needed for the first time only.  Prints the Node that runs it.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)" || exit 2
# shellcheck source=tests/lib/node.sh
. "$here/../../lib/node.sh"
build="$(cd "${1:?install.sh BUILD}" && pwd)" || exit 2

mkdir -p "$build/sigstore" && exec 9>"$build/sigstore/lock" && flock 9 || exit 2		# cases run beside each other
node=""
if ! find_node "$build" 20 17; then
	fetch_node "$build"
	find_node "$build" 20 17 || { echo "tests/verify: there is no Node 20.17 or newer, and npm could not fetch one" >&2; exit 2; }
fi
cp "$here"/package.json "$here"/package-lock.json "$here"/receipt.mjs "$build/sigstore/" || exit 2
if ! npm_is_current "$node" "$build/sigstore"; then
	(cd "$build/sigstore" && npm ci --ignore-scripts >&2) || { echo "tests/verify: npm could not install @sigstore/verify" >&2; exit 2; }
fi
echo "$node"
