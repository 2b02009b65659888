#!/usr/bin/env bash
# An enum whose first two values are 1 and 2 is a set of bits: no other value in it is there twice. Two branches that
# each add the next one merge without a conflict.
. "$(dirname "$0")/list.inc"
mapfile -t files < <(own_files src | grep -E '\.h$')
[ ${#files[@]} -gt 0 ] || exit 1
awk '
	/^enum .*\{/ { inside = 1; n = 0; sets = 0; split("", seen); next }
	inside && /^\}/ { inside = 0 }
	inside && match($0, /[A-Z][A-Z0-9_]+ = [0-9]+,/) {
		split(substr($0, RSTART, RLENGTH - 1), part, " = ")
		n++
		sets = n == 1 ? part[2] == 1 : n == 2 ? sets && part[2] == 2 : sets
		if (n > 2 && sets && part[2] in seen) {
			print FILENAME ":" FNR ": " part[1] " is " seen[part[2]] ", too"
			bad = 1
		}
		seen[part[2]] = part[1]
	}
	inside && /[A-Z] = [0-9]+,/ { enums += n == 2 && sets }
	END {
		if (enums < 3) { print "no sets of bits were found"; bad = 1 }
		exit bad
	}' "${files[@]}"
