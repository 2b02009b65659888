#!/usr/bin/env bash
# Every result that is kept in bench/results is cited by a document; others belong into git's history.
. "$(dirname "$0")/list.inc"
bad=0
for file in $(own_files bench/results | grep -v '/README\.md$'); do
	grep -rqF --include="*.md" "$file" README.md doc || {
		echo "$file: no document cites it"
		bad=1
	}
done
exit $bad
