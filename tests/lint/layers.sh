#!/usr/bin/env bash
# Includes go downwards only, and foreign headers stay in their folder (layers.txt).
. "$(dirname "$0")/list.inc"
own_files src | grep '\.[ch]$' | xargs awk '
	FNR == NR && FILENAME ~ /layers.txt$/ {
		if ($1 == "foreign") { home[$2] = $3; next }
		if ($1 ~ /:$/) {
			layer = substr($1, 1, length($1) - 1); known[layer] = 1
			for (i = 2; i <= NF; i++) may[layer, $i] = 1
		}
		next
	}
	FNR == 1 { split(FILENAME, part, "/"); layer = part[2]; below = substr(FILENAME, 5) }
	FNR == 1 && !known[layer] { print FILENAME ": the folder " layer " is not in layers.txt"; bad = 1 }
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, quoted, "\""); header = quoted[2]
		n = split(header, to, "/"); split(below, from, "/")
		if (n > 1 && to[1] != layer && !may[layer, to[1]] ||
		    n > 2 && from[1] == "resource" && to[1] == "resource" && to[2] != from[2]) {
			print FILENAME ":" FNR ": " layer " may not include " header; bad = 1
		}
	}
	/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
		header = $0; sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*/, "", header)
		for (name in home)
			if (index(header, name) == 1 && index(below, home[name]) != 1) {
				print FILENAME ":" FNR ": " header " belongs to src/" home[name]; bad = 1
			}
	}
	END { exit bad }
' tests/lint/layers.txt
