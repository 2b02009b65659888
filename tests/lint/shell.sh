#!/usr/bin/env bash
# The scripts pass shellcheck.
. "$(dirname "$0")/list.inc"
need shellcheck
bad=0
# What is sourced or names "$1" of an inner shell is told apart by the scripts themselves.
own_files scripts .ci | grep -vE '\.(md|awk|txt)$' | xargs shellcheck -x -P scripts || bad=1
own_files bench tests | grep '\.sh$' | xargs shellcheck -x -S warning -P scripts -P tests/lint || bad=1
exit $bad
