#!/usr/bin/env bash
# Text files: no trailing blanks, no carriage returns, a newline at the end; no words of unfinished work.
. "$(dirname "$0")/list.inc"
bad=0
files=$(own_files . | grep -v '^tests/fuzz/corpus/')
while IFS= read -r file; do
	grep -qI . "$file" 2>/dev/null || continue
	if grep -HnE $'[ \t\r]+$' "$file"; then bad=1; fi
	if [ -n "$(tail -c 1 "$file")" ]; then
		echo "$file: no newline at the end"
		bad=1
	fi
done <<<"$files"
if own_files src sql scripts conf | xargs grep -nIE 'TODO|FIXME|XXX|HACK\b|not implemented|\bstub'; then bad=1; fi
exit $bad
