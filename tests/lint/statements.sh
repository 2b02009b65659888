#!/usr/bin/env bash
# Every statement of sql/query is used in src, or stands for several of one that is, and names environment_id unless without_environment.txt says why.
. "$(dirname "$0")/list.inc"
bad=0
names=$(sed -n 's/^-- name: *//p' sql/query/*.sql)
[ -n "$names" ] || {
	echo "no statements found"
	exit 1
}
for name in $names; do
	if ! grep -rqw "SQL_${name^^}" src --include='*.c' && ! grep -q "^-- many: $name\$" sql/query/*.sql; then
		echo "sql/query: nothing in src uses $name"
		bad=1
	fi
	if ! awk -v name="$name" '
		FNR == 1 { on = 0 }
		/^-- name: / { on = ($3 == name); next }
		on && !/^--/ { text = text $0 "\n" }
		END { exit text !~ /environment_id/ }' sql/query/*.sql; then
		if ! grep -qE "^$name +[^ ]" tests/lint/without_environment.txt; then
			echo "sql/query: $name does not name environment_id, and without_environment.txt gives no reason"
			bad=1
		fi
	elif grep -qE "^$name " tests/lint/without_environment.txt; then
		echo "without_environment.txt: $name does name environment_id"
		bad=1
	fi
done
# Tables of tenants' rows that org delete would leave.
for table in $(awk '/^CREATE TABLE / { table = $3 } /^    environment_id / { print table }' sql/migrate/*.sql); do
	grep -q "^\\\\set erase :erase .*DELETE FROM $table WHERE environment_id = .1)" sql/query/*.sql || {
		echo "sql/query: no \\set erase for $table: org delete would leave its rows"
		bad=1
	}
done
while read -r name _; do
	case $name in
	'' | '#'*) ;;
	*) grep -qx "$name" <<<"$names" || {
		echo "without_environment.txt: there is no statement $name"
		bad=1
	} ;;
	esac
done <tests/lint/without_environment.txt
exit $bad
