#!/usr/bin/env bash
# doc/openapi/ and the tables in src say the same, both ways; doc/openapi.json is made of it.
. "$(dirname "$0")/list.inc"
# Another Python may come first in PATH, without what the tests need.
for python in /usr/bin/python3 python3; do
	if "$python" -c 'import yaml, jsonschema' 2>/dev/null; then
		"$python" doc/openapi.py --check && PYTHONDONTWRITEBYTECODE=1 "$python" tests/lint/openapi.py
		exit
	fi
done
echo "python3-yaml and python3-jsonschema are not installed"
exit 1
