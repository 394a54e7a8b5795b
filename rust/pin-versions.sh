#!/bin/sh
# Makes Cargo.lock, which stays out of git since it names hosts, with exactly the versions of versions.txt.
# `rust/pin-versions.sh --write` does the reverse: it writes down what Cargo.lock holds.
# `--python`, which comes first, does so for the module of Python: rust/python with a list of its own.
set -eu
cd "$(dirname "$0")/.."
list=$PWD/rust/versions.txt
if [ "${1:-}" = --python ]; then
	shift
	cd rust/python
	list=$PWD/versions.txt
fi
wanted=$(mktemp)
others=$(mktemp)
trap 'rm -f "$wanted" "$others"' EXIT

locked() {
	awk -F'"' '/^name = /{name=$2} /^version = /{version=$2} /^source = /{print name " = " version}' Cargo.lock | LC_ALL=C sort
}

if [ "${1:-}" = --write ]; then
	locked >"$list"
	exit
fi
[ -e Cargo.lock ] || cargo generate-lockfile --quiet
# A version that nobody asks for any more leaves the lock by itself, so this repeats until nothing changes.
for _ in 1 2 3; do
	locked | LC_ALL=C comm -23 "$list" - >"$wanted"
	locked | LC_ALL=C comm -13 "$list" - >"$others"
	[ -s "$wanted" ] || break
	while IFS=' =' read -r name version; do
		# Of several versions of one crate the one that has the same leading number is meant.
		old=$(awk -v name="$name" -v lead="${version%%.*}." '
			$1 == name && index($3, lead) == 1 {print $3; exit}' "$others")
		cargo update --quiet "$name${old:+@$old}" --precise "$version" || true
	done <"$wanted"
done
locked | diff "$list" - >&2 || { echo "Cargo.lock differs from $list" >&2; exit 1; }
