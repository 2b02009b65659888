#!/usr/bin/env bash
# No line of src/ and sql/ is longer than 100 columns, a tab going on to the next multiple of 8, but for as many of a file as
# columns.txt still allows. With --write it allows those that there are.
. "$(dirname "$0")/list.inc"
own_files src sql | PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" -c '
import pathlib, sys

MOST = 100
HEAD = "# Files with lines of more than 100 columns, and how many: to become none. tests/lint/columns.sh --write counts anew.\n"
listed = pathlib.Path("tests/lint/columns.txt")
files = [pathlib.Path(name) for name in sys.stdin.read().split("\n") if name.endswith((".c", ".h", ".def", ".inc", ".awk", ".sql"))]
long = {}
for path in files:
    numbers = [n for n, line in enumerate(path.read_text().split("\n"), 1) if len(line.expandtabs(8)) > MOST]
    if numbers:
        long[str(path)] = numbers
if sys.argv[1:] == ["--write"]:
    listed.write_text(HEAD + "".join(f"{path} {len(numbers)}\n" for path, numbers in long.items()))
rows = [line.split() for line in listed.read_text().splitlines() if line[0] != "#"] if listed.exists() else []
allowed = {path: int(count) for path, count in rows}
bad = [] if files else ["no files found"]
for path in sorted(long.keys() | allowed.keys()):
    numbers = long.get(path, [])
    if len(numbers) > allowed.get(path, 0):
        where = ", ".join(map(str, numbers))
        bad.append(f"{path}: {len(numbers)} lines of more than {MOST} columns, {allowed.get(path, 0)} are allowed: {where}")
    elif len(numbers) < allowed.get(path, 0):
        bad.append(f"{path}: {len(numbers)} lines of more than {MOST} columns, columns.txt says {allowed[path]}: lower it")
print("\n".join(bad))
sys.exit(bool(bad))
' "$@"
