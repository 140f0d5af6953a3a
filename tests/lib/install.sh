# shellcheck shell=bash
# install.sh: sourced by tests/run and tools/quickstart; defines functions and does nothing by itself.
#
# install_packages build|test|long|peers
#	Make sure that the Debian packages of that set (each contains the one before) are installed.  Asks dpkg first: when all are there it
#	is quick, silent and needs no network.  What is missing is installed with apt-get, as root.  Returns 1, with a sentence on standard
#	error, when it cannot be.  "peers" is a set of its own; services that its packages bring are not started.
# install_node
#	Make sure that there are node and npm, from wherever; where not, Debian's packages, in the same way.
# check_libevent
#	libevent below 2.1.12-stable-8+deb12u1 lacks security fixes that its own version number does not show.  Returns 1 when a newer
#	one is offered but not installed; only warns when none is offered.

PACKAGES_BUILD="meson ninja-build pkg-config gcc libc6-dev libevent-dev liblmdb-dev protobuf-c-compiler libprotobuf-c-dev
	protobuf-compiler libsodium-dev libssl-dev libcmocka-dev libyaml-dev libjansson-dev libsystemd-dev libsqlite3-dev
	libcurl4-openssl-dev libseccomp-dev ca-certificates tzdata"
# systemd for systemd-analyze, which judges our unit file; binutils for readelf, by which the programs are looked into
PACKAGES_TEST="clang python3 python3-protobuf python3-nacl python3-yaml openssl git faketime golang-go golang-golang-x-mod-dev systemd binutils"
PACKAGES_LONG="libclang-rt-14-dev clang-tidy cppcheck"
# what tests/bench/run measures beside fealty
PACKAGES_PEERS="postgresql-15 postgresql-client-15 redis-server redis-tools"
LIBEVENT_FIXED="2.1.12-stable-8+deb12u1"

packages_missing()
{
	local package
	for package in "$@"; do
		# "ii " in dpkg's short form: wanted and installed
		case "$(dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null)" in
		ii*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

install_packages()
{
	local wanted missing
	case "${1:-}" in
	build) wanted="$PACKAGES_BUILD" ;;
	test) wanted="$PACKAGES_BUILD $PACKAGES_TEST" ;;
	long) wanted="$PACKAGES_BUILD $PACKAGES_TEST $PACKAGES_LONG" ;;
	peers) wanted="$PACKAGES_PEERS" ;;
	*) echo "install_packages: \"${1:-}\" is no set of packages: build, test, long or peers" >&2; return 1 ;;
	esac
	# shellcheck disable=SC2086  # a list of words
	missing="$(packages_missing $wanted)"
	[ -n "$missing" ] || return 0
	if [ "$1" = peers ]; then
		without_services packages_install "$missing"
	else
		packages_install "$missing"
	fi
}

# without_services COMMAND...: meanwhile no package that is installed starts its service, as /usr/sbin/policy-rc.d says it on Debian.
without_services()
{
	local policy=/usr/sbin/policy-rc.d code=0
	if [ -e "$policy" ] || ! { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; } 2>/dev/null; then
		"$@"
		return
	fi
	"$@" || code=$?
	rm -f "$policy"
	return "$code"
}

install_node()
{
	command -v node >/dev/null && command -v npm >/dev/null && return 0
	packages_install "nodejs npm"
}

packages_install()
{
	local missing="$1"
	if ! command -v apt-get >/dev/null; then
		echo "These packages are missing, and there is no apt-get to install them: $missing" >&2
		return 1
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "These packages are missing; install them as root: apt-get install $missing" >&2
		return 1
	fi
	echo "Installing $missing" >&2
	# shellcheck disable=SC2086
	if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing; } >&2; then
		echo "apt-get could not install: $missing" >&2
		return 1
	fi
}

check_libevent()
{
	local installed offered
	installed="$(dpkg-query -W -f '${Version}' libevent-dev 2>/dev/null || true)"
	if [ -z "$installed" ]; then
		echo "libevent-dev is not installed" >&2
		return 1
	fi
	dpkg --compare-versions "$installed" ge "$LIBEVENT_FIXED" && return 0
	offered="$(apt-cache policy libevent-dev 2>/dev/null | sed -n 's/^ *Candidate: //p')"
	if [ -n "$offered" ] && [ "$offered" != "(none)" ] && dpkg --compare-versions "$offered" ge "$LIBEVENT_FIXED"; then
		echo "libevent-dev is $installed, which lacks security fixes; $offered is offered: apt-get install libevent-dev" >&2
		return 1
	fi
	echo "warning: libevent-dev is $installed; $LIBEVENT_FIXED has security fixes, but none so new is offered here" >&2
	return 0
}
