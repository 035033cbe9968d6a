#!/bin/sh
# Fetch lwIP from the distribution's source package and unpack it into build/lwip.
# The system's apt configuration names the hosts; its lists and caches aren't touched, so any user may run this.
set -eu

version=2.1.3+dfsg1
sha256=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24
tarball=lwip_$version.orig.tar.xz

here=$(cd "$(dirname "$0")" && pwd)
dest=$here/build/lwip
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/uniobs
work=

die() {
	echo "fetch-lwip: $*" >&2
	exit 1
}

cleanup() {
	if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

intact() {
	[ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = $sha256 ]
}

# Every binary source of the system becomes a source entry in our own list directory ($1).
write_sources() {
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$file" ] || continue
		sed -nE 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >"$1/$(basename "$file" .list)-src.list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		sed -E 's/^[Tt]ypes:.*/Types: deb-src/' "$file" >"$1/$(basename "$file")"
	done
	cat "$1"/* 2>/dev/null | grep -q deb-src
}

download() {
	command -v apt-get >/dev/null || die "needs apt-get to fetch lwIP $version, or $tarball in $cache"
	work=$(mktemp -d)
	mkdir "$work/sources" "$work/lists" "$work/cache" "$work/get"
	write_sources "$work/sources" || die "apt has no package source configured in /etc/apt: cannot fetch lwIP"
	apt() {
		apt-get -q -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" \
			-o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root \
			-o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@"
	}
	# A foreign source without source packages fails here; what counts is whether lwip can be had.
	apt update >"$work/update.log" 2>&1 || true
	ls "$work"/lists/*Sources* >/dev/null 2>&1 ||
		die "apt could not fetch any list of source packages: $(grep -m 1 -E '^(E|W|Err)' "$work/update.log")"
	(cd "$work/get" && apt source --download-only lwip) >"$work/source.log" 2>&1 ||
		die "apt could not fetch the source package lwip: $(grep -v '^W:' "$work/source.log" | tail -n 1)"
	[ -f "$work/get/$tarball" ] || die "apt offers $(cd "$work/get" && echo lwip_*.dsc), but $tarball is needed"
	intact "$work/get/$tarball" || die "$tarball has the wrong SHA-256: refused"
	mkdir -p "$cache"
	cp "$work/get/$tarball" "$cache/$tarball.$$"
	mv "$cache/$tarball.$$" "$cache/$tarball"
}

if [ "$(cat "$dest/.sha256" 2>/dev/null)" = $sha256 ]; then
	touch "$dest/.sha256" && exit 0
fi
intact "$cache/$tarball" || download
mkdir -p "$here/build"
fresh=$here/build/lwip.$$
rm -rf "$fresh"
mkdir "$fresh"
python3 -m tarfile -e "$cache/$tarball" "$fresh" || { rm -rf "$fresh"; die "cannot unpack $cache/$tarball"; }
rm -rf "$dest"
mv "$fresh"/* "$dest"
rmdir "$fresh"
[ -f "$dest/src/Filelists.mk" ] || die "$tarball has an unexpected layout"
echo $sha256 >"$dest/.sha256"
