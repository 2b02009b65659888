#!/usr/bin/env bash
# README names the two commands, they run, CI calls the second, and no document links to what is not there.
. "$(dirname "$0")/list.inc"
bad=0
complain() {
	echo "$*"
	bad=1
}
for script in scripts/demo scripts/check; do
	grep -q "$script" README.md || complain "README.md does not name $script"
	[ -x "$script" ] || complain "$script has no run bit"
done
grep -q 'scripts/check' .ci/run || complain ".ci/run does not call scripts/check"
[ -x .ci/run ] || complain ".ci/run has no run bit"
for document in README.md HACKING.md CHANGELOG.md doc/*.md; do
	[ -f "$document" ] || {
		complain "$document is missing"
		continue
	}
	for link in $(grep -oE '\]\([^)#: ]+' "$document" | cut -c3-); do
		[ -e "$(dirname "$document")/$link" ] || complain "$document links to $link, which is not there"
	done
	for path in $(grep -oE '`(src|sql|conf|scripts|tests|doc|man|bench)/[A-Za-z0-9_./-]+`' "$document" | tr -d '`'); do
		[ -e "$path" ] || complain "$document names $path, which is not there"
	done
done
exit $bad
