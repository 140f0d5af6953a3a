#!/usr/bin/env bash
# Makes client/node ready to run: node.sh BUILD.  The network is needed for the first time only.  Prints the Node that runs it.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)" || exit 2
# shellcheck source=tests/lib/node.sh
. "$here/../lib/node.sh"
build="$(cd "${1:?node.sh BUILD}" && pwd)" || exit 2
client="$here/../../client/node"

exec 9>"$build/fault-node.lock" && flock 9 || exit 2		# cases run beside each other
node=""
if ! find_node "$build" 20 0; then
	fetch_node "$build"
	find_node "$build" 20 0 || find_node "$build" 18 18 || { echo "tests/fault: there is no Node 18.18 or newer, and npm could not fetch one" >&2; exit 2; }
fi
if ! npm_is_current "$node" "$client"; then
	(cd "$client" && npm ci >&2) || { echo "tests/fault: npm ci failed in client/node" >&2; exit 2; }
fi
echo "$node"
