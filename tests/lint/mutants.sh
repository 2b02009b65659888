#!/usr/bin/env bash
# What tests/mutants says of lines of code still stands there.
. "$(dirname "$0")/list.inc"
need "${PYTHON:-python3}"
PYTHONDONTWRITEBYTECODE=1 exec "${PYTHON:-python3}" tests/mutants/mutate.py --lint
