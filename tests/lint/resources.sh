#!/usr/bin/env bash
# No file of src/ names a resource, in code or comment, but those in its folder, its line in app/resources.c, and
# the files in resources.txt.
. "$(dirname "$0")/list.inc"
own_files src | grep '\.\([chd]\|def\|awk\)$' | xargs awk '
	FNR == NR && FILENAME ~ /resources.txt$/ {
		if ($1 !~ /^#/ && NF < 3) { print FILENAME ": no reason for " $1 " in " $2; bad = 1 }
		if ($1 !~ /^#/) { may[$1, $2] = 1; listed[$1 " " $2] = 1 }
		next
	}
	FNR == 1 { own = FILENAME; sub(/^src\/resource\//, "", own); sub(/\/.*/, "", own); folder = FILENAME; sub(/[^\/]*$/, "", folder) }
	{
		line = tolower($0)
		for (i = 1; i <= count; i++) {
			name = names[i]
			if (name == own || FILENAME == "src/app/resources.c" && /^\tRESOURCE\([a-z_]+\)/ || line !~ patterns[i])
				continue
			used[name " " FILENAME] = used[name " " folder] = 1
			if (!((name, FILENAME) in may) && !((name, folder) in may)) {
				print FILENAME ":" FNR ": names " name ": " $0; bad = 1
			}
		}
	}
	BEGIN {
		while (("ls src/resource" | getline name) > 0)
			if (name !~ /\./) {
				names[++count] = name
				word = name; gsub(/_/, "[_-]", word)
				patterns[count] = "(^|[^a-z])" word "s?([^a-z]|$)"
			}
	}
	END {
		for (entry in listed)
			if (!(entry in used)) { print "resources.txt: not so any more: " entry; bad = 1 }
		if (!count) { print "no resources found"; bad = 1 }
		exit bad
	}
' tests/lint/resources.txt
