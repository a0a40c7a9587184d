#!/bin/sh
# Installs what the tests need from Debian and npm: only what is missing, so it may be run any number of times.
#   need.sh TOOL…   with TOOL one of redis-server, chromium, node, gcc
set -eu

missing=
for tool in "$@"; do
	case $tool in
	redis-server) command -v redis-server >/dev/null || missing="$missing redis-server" ;;
	chromium) command -v chromium >/dev/null || missing="$missing chromium" ;;
	gcc) command -v gcc >/dev/null || missing="$missing gcc libc6-dev" ;;
	node)
		command -v node >/dev/null || missing="$missing nodejs"
		command -v npm >/dev/null || missing="$missing npm"
		;;
	*)
		echo "need.sh: do not know how to install $tool" >&2
		exit 2
		;;
	esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "the tests need$missing: install them as root with apt-get install$missing" >&2
		exit 1
	}
	as_root=sudo
fi
echo "installing$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# Debian starts the redis-server that it installs; the tests start their own.
