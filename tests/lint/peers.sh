#!/usr/bin/env bash
# The programs of the benchmark parse, each where its tools are here; building them is for bench/run. And their lock
# files pin what they ask for.
. "$(dirname "$0")/list.inc"
bad=0
complain() {
	echo "$*"
	bad=1
}
# with PROGRAM PATTERN COMMAND...: the command for each file, when the program is here.
with() {
	local program=$1 pattern=$2 file
	shift 2
	command -v "$program" >/dev/null || return 0
	while IFS= read -r file; do
		"$@" "$file" || complain "$file: does not pass $*"
	done < <(own_files bench | grep -E "$pattern")
}
parse_python() { "${PYTHON:-python3}" -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$1"; }
parse_php() { php -l "$1" >/dev/null; }
formatted_go() { [ -z "$(gofmt -l "$1")" ]; }

with python3 '\.py$' parse_python
with php '\.php$' parse_php
with node '\.js$' node --check
with gofmt '\.go$' formatted_go
with luac 'wrk\.lua$' luac -p
# It has a value for each parameter of the statements that it takes from sql/query.
(cd bench && "${PYTHON:-python3}" -B -c 'import measure') || complain "bench/measure.py does not load"

peers=bench/peers
grep -vE '^[a-z0-9-]+==[0-9][0-9.]*$' $peers/python/requirements.txt && complain "requirements.txt: not all versions are pinned"
grep -qE '"[\^~]' $peers/node/package.json && complain "package.json: not all versions are pinned"
for lock in node/package-lock.json go/go.sum rust/Cargo.lock; do
	[ -s "$peers/$lock" ] || complain "$peers/$lock is missing"
done
exit $bad
