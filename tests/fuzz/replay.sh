#!/bin/sh
# Every fuzz target over its kept inputs. Built with --enable-fuzzers they are
# libFuzzer programs, for which -runs=0 means the same.
set -- $FUZZ_TARGETS
echo "1..$#"
result=0
for target; do
	name=${target##*/fuzz_}
	if output=$("./$target" -runs=0 "${srcdir:-.}/tests/fuzz/corpus/$name" 2>&1); then
		echo "ok - $name"
	else
		echo "not ok - $name"
		result=1
	fi
	echo "$output" | tail -n 40 | sed 's/^/# /'
done
exit $result
