#!/usr/bin/env bash
# No line of src/ and sql/ is longer than 100 columns, a tab going on to the next multiple of 8.
. "$(dirname "$0")/list.inc"
mapfile -t files < <(own_files src sql | grep -E '\.(c|h|def|inc|awk|sql)$')
if [ ${#files[@]} -eq 0 ]; then
	echo "no files found"
	exit 1
fi
bad=0
for file in "${files[@]}"; do
	expand -t8 "$file" | LC_ALL=C.UTF-8 awk -v file="$file" '
		length($0) > 100 { print file ":" NR ": " length($0) " columns"; bad = 1 }
		END { exit bad }' || bad=1
done
exit $bad
