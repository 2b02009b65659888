#!/usr/bin/env bash
# Has spin check billing.pml: first as it is, then with each DEFECT, which must be found. Says one line for each; ends
# with 1 when one is not as it should be.
set -euo pipefail
model=$(cd "$(dirname "$0")" && pwd)/billing.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
bad=0

# check TEXT safety|liveness holds|broken DEFINE...: liveness is with weak fairness, and of fewer subscriptions.
check() {
	local text=$1 kind=$2 expected=$3 found=holds define=("${@:4}")
	local compile=(-O2 -w -DCOLLAPSE -DVECTORSZ=2048) run=(-m1000000 -w22)
	if [ "$kind" = safety ]; then
		compile+=(-DSAFETY -DNOCLAIM)
	else
		compile+=(-DNFAIR=3)
		run+=(-a -f)
	fi
	spin -a "${define[@]}" "$model" >spin.log
	"${CC:-cc}" "${compile[@]}" -o pan pan.c
	timeout 300 ./pan "${run[@]}" >pan.log 2>&1 || true
	grep -q 'errors: 0' pan.log || found=broken
	if ! grep -q 'errors: [0-9]' pan.log || grep -q 'max search depth too small\|out of memory' pan.log; then
		found="not known: $(tail -1 pan.log)"
	fi
	printf '%-8s %-60s %s states, %s\n' "$kind" "$text" "$(awk '/states, stored/ { print $1; exit }' pan.log)" "$found"
	[ "$found" = "$expected" ] || {
		bad=1
		grep -m 3 'pan:' pan.log || true
	}
}

check 'as it is' safety holds
check 'as it is' liveness holds -DSUBS=2 -DCRASHES=1
check 'a create that locks no customer' safety broken -DDEFECT=1
check 'clerks that lock nothing' safety broken -DDEFECT=2
check 'an invoice in a transaction of its own' safety broken -DDEFECT=3
check 'what is saved was looked at before the lock' liveness broken -DDEFECT=4 -DSUBS=1 -DCRASHES=0
check 'a claim that does not look again' safety broken -DDEFECT=5
check 'a change that overtakes what is due' safety broken -DDEFECT=6
exit $bad
