#!/usr/bin/env bash
# Tests of client/node, with Node's own runner.
#
#   run.sh [--build DIR] [--list] [FILTER...]
#
# DIR (or $FEALTY_BUILD; else build/) has the daemon.  FILTER: only cases whose name, FILE:CASE, has this in it.  Ends with a line
# "RESULT passed failed skipped"; exit code 0: all passed, 1: a case failed, 2: it could not be run.
#
# Where Node is older than 20, as Debian 12's is, npm fetches Node 20 as a package into DIR/node; when it cannot, 18.18 will do.  The network
# is needed for that, and for the first `npm ci`; not afterwards.  FEALTY_NODE: this Node, from 18.18 on.
set -uo pipefail
top="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)" || exit 2
client="$top/client/node"
# shellcheck source=tests/lib/node.sh
. "$top/tests/lib/node.sh"

usage()
{
	sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

build="${FEALTY_BUILD:-$top/build}"
arguments=()
list=false
while [ $# -gt 0 ]; do
	case "$1" in
	--build)
		[ $# -ge 2 ] && build="$(cd "$2" && pwd)" || exit 2
		shift ;;
	--list) list=true; arguments+=("$1") ;;
	--help | -h) usage; exit 0 ;;
	-*) usage >&2; exit 2 ;;
	*) arguments+=("$1") ;;
	esac
	shift
done

node=""
if [ -n "${FEALTY_NODE:-}" ] || $list; then
	find_node "$build" 18 18
elif ! find_node "$build" 20 0; then
	fetch_node "$build"
	find_node "$build" 20 0 || find_node "$build" 18 18
fi
if [ -z "$node" ]; then
	echo "tests/node: there is no Node 18.18 or newer, and none could be fetched; as root: apt-get install nodejs npm" >&2
	exit 2
fi

if ! $list; then
	if [ ! -x "$build/daemon/fealtyd" ]; then
		echo "tests/node: there is no $build/daemon/fealtyd; build it, or name the build directory with --build" >&2
		exit 2
	fi
	# What npm has installed is as the lock file says: nothing to do, and no network needed.
	if ! npm_is_current "$node" "$client"; then
		(cd "$client" && npm ci >&2) || { echo "tests/node: npm ci failed in client/node" >&2; exit 2; }
	fi
fi
export FEALTY_BUILD="$build"
exec timeout 300 "$node" "$top/tests/node/run.mjs" "$client/test" ${arguments[@]+"${arguments[@]}"}
