#!/bin/sh
# Prints, for automake, the files of the resources and of sql/, so that nobody has to list them.
# configure.ac calls it; run autoreconf after adding or removing a file here, in sql/ or in
# tests/app/statements.
LC_ALL=C
export LC_ALL
list() {
	name=$1
	shift
	printf '%s =' "$name"
	for file; do
		[ ! -f "$file" ] || printf ' \\\n\t%s' "$file"
	done
	printf '\n'
}
echo '# Written by src/resource/list.sh.'
list resource_files src/resource/*/*.[ch]
list resource_apis src/resource/*/api.c src/site/site.c src/user/api.c src/app/about.c src/app/openapi.c src/app/errors.c
list resource_errors src/resource/*/errors.def
list resource_cases tests/app/statements/*.def
list sql_files sql/query/*.sql sql/migrate/*.sql
