#!/usr/bin/env bash
# Calls without a bound, without an error, with a shell behind them, or with a system call that workers may not make (base/sort.h).
. "$(dirname "$0")/list.inc"
own_files src | grep '\.[ch]$' | xargs awk '
	{
		line = $0
		gsub(/"([^"\\]|\\.)*"/, "\"\"", line) # texts and comments may name them
		sub(/\/\*.*/, "", line); sub(/\/\/.*/, "", line); sub(/^[ \t]*\*.*/, "", line)
	}
	match(line, /(^|[^A-Za-z0-9_])(strcpy|strcat|strncat|stpcpy|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|system|popen|alloca|setlocale|qsort|json_object_object_get)[ \t]*\(/) {
		print FILENAME ":" FNR ": " $0; bad = 1
	}
	END { exit bad }
'
