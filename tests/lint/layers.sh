#!/usr/bin/env bash
# Includes go downwards only, and foreign headers stay in their folder (layers.txt). The drawing at the head of HACKING.md
# has the folders that there are, in the order of the layers, and none of them has grown out of proportion.
. "$(dirname "$0")/list.inc"
bad=0
own_files src | grep '\.[ch]$' | xargs awk '
	FNR == NR && FILENAME ~ /layers.txt$/ {
		if ($1 == "foreign") { home[$2] = $3; next }
		if ($1 ~ /:$/) {
			layer = substr($1, 1, length($1) - 1); known[layer] = 1
			for (i = 2; i <= NF; i++) may[layer, $i] = 1
		}
		next
	}
	FNR == 1 { split(FILENAME, part, "/"); layer = part[2]; below = substr(FILENAME, 5) }
	FNR == 1 && !known[layer] { print FILENAME ": the folder " layer " is not in layers.txt"; bad = 1 }
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, quoted, "\""); header = quoted[2]
		n = split(header, to, "/"); split(below, from, "/")
		if (n > 1 && to[1] != layer && !may[layer, to[1]] ||
		    n > 2 && from[1] == "resource" && to[1] == "resource" && to[2] != from[2]) {
			print FILENAME ":" FNR ": " layer " may not include " header; bad = 1
		}
	}
	/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
		header = $0; sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*/, "", header)
		for (name in home)
			if (index(header, name) == 1 && index(below, home[name]) != 1) {
				print FILENAME ":" FNR ": " header " belongs to src/" home[name]; bad = 1
			}
	}
	END { exit bad }
' tests/lint/layers.txt || bad=1
FILES=$(own_files src) PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY' || bad=1
import collections, os, pathlib, re, sys

SHARE = 6  # no folder has more than one line in so many

bad = []
files = [pathlib.Path(name) for name in os.environ["FILES"].split()]
# The drawing has one line for all resources: adding one changes nothing outside its folder.
folders = {path.parts[1] for path in files if len(path.parts) > 2}

rules = re.findall(r"^(\w+):(.*)$", pathlib.Path("tests/lint/layers.txt").read_text(), re.M)
layers = [name for name, _ in rules]
for number, (name, below) in enumerate(rules):
    bad += [f"layers.txt: {name} may include {other}, which does not stand further up" for other in below.split() if other not in layers[:number]]
bad += [f"layers.txt: there is no folder src/{name}" for name in layers if name not in folders]

drawing = re.search(r"^```text\nsrc/\n(.*?)^```$", pathlib.Path("HACKING.md").read_text(), re.M | re.S)
drawn = re.findall(r"^  (\w+)/", drawing.group(1) if drawing else "", re.M)
bad += [f"HACKING.md: the drawing lacks src/{name}" for name in sorted(folders - set(drawn))]
bad += [f"HACKING.md: the drawing has src/{name}, which is not there" for name in drawn if name not in folders]
if drawn != layers:
    bad.append("HACKING.md: the drawing does not have the layers of layers.txt in their order")

lines = collections.Counter()
for path in files:
    if path.suffix in (".c", ".h", ".def"):
        lines[path.parent] += len(path.read_text().splitlines())
bad += [f"{folder}: {count} of {lines.total()} lines, more than one in {SHARE}" for folder, count in lines.items()
        if count * SHARE > lines.total()]

print("\n".join(bad))
sys.exit(bool(bad))
PY
exit $bad
