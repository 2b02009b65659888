#!/usr/bin/env bash
# Each column of a table of tenants' rows stands in personal.txt, with what becomes of it when a customer is erased; and the
# statements (:forget in sql/query) do what is said there.
. "$(dirname "$0")/list.inc"
awk '
	FILENAME ~ /personal\.txt$/ {
		if (/^#/) next
		if ($3 != "erased" && !($3 == "kept" && NF > 4)) say($0 ": neither erased nor kept for a reason")
		if (($1, $2) in said) say($1 " " $2 " stands here twice")
		said[$1, $2] = $3; lines[$1 " " $2] = 1
		next
	}
	FILENAME ~ /\.sql$/ {
		if (match($0, /^\\set forget :forget \047/))
			forget = forget substr($0, RLENGTH + 1, length($0) - RLENGTH - 1)
		next
	}
	FNR == 1 { table = FILENAME; sub(/.*\//, "", table); sub(/\.txt$/, "", table) }
	/^column environment_id / { tenants[table] = 1 }
	/^column / { columns[table] = columns[table] " " $2 }
	function say(text) { print "tests/lint/personal.txt: " text; bad = 1 }
	# Whether a part of :forget, each of which ends before the next ", NAME AS (", empties the column.
	function empties(table, column,    n, i, parts) {
		n = split(forget, parts, /, [a-z_]+ AS \(/)
		for (i = 1; i <= n; i++)
			if (parts[i] ~ "^DELETE FROM " table " " \
			    || parts[i] ~ "^UPDATE " table " " && parts[i] ~ "[ ,(]" column " =")
				return 1
		return 0
	}
	END {
		for (table in tenants) {
			n = split(columns[table], names, " ")
			for (i = 1; i <= n; i++) {
				key = (table, names[i]) in said ? names[i] : "*"
				if (names[i] == "environment_id") continue
				if (!((table, key) in said)) {
					say(table "." names[i] ": nothing says what becomes of it when a customer is erased")
					continue
				}
				used[table " " key] = 1; found++
				if (said[table, key] == "erased" && !empties(table, names[i]))
					say(table "." names[i] " is to be erased, and :forget does not")
			}
		}
		for (line in lines) if (!(line in used)) say(line ": there is no such column")
		if (!found) say("no columns found")
		exit bad
	}
' tests/lint/personal.txt sql/query/*.sql tests/app/schema/*.txt
