#!/usr/bin/env bash
# README names the two commands, they run, CI calls the second. What a reader reads first is short. No document links to
# what is not there, or names a file that is not there. And none says 'who' or 'told' where a reader must guess the sense.
. "$(dirname "$0")/list.inc"
bad=0
complain() {
	echo "$*"
	bad=1
}
for script in scripts/demo scripts/check; do
	grep -q "$script" README.md || complain "README.md does not name $script"
	[ -x "$script" ] || complain "$script has no run bit"
done
grep -q 'scripts/check' .ci/run || complain ".ci/run does not call scripts/check"
[ -x .ci/run ] || complain ".ci/run has no run bit"
FILES=$(own_files README.md HACKING.md CHANGELOG.md SECURITY.md doc bench man debian/README.Debian) \
	PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY' || bad=1
import os, pathlib, re, sys

LINES = {"README.md": 100, "doc/architecture.md": 120}
# "Who lived for 10 s begins anew", "for who asks", "What breaks a rule is told".
ENGLISH = (r"(?:^|[.:;|*-] )[Ww]ho\b(?![^.]*\?)", r"\b(?:by|for|from|of|than|that|to|and|but|as) who\b", r"\b(?:am|is|are|was|were|be|been) told\b")

bad = []
layers = re.findall(r"^(\w+):", pathlib.Path("tests/lint/layers.txt").read_text(), re.M)
texts = {path: path.read_text() for path in map(pathlib.Path, os.environ["FILES"].split())
         if path.suffix in (".md", ".8", ".5", ".Debian")}
for name, most in LINES.items():
    count = len(texts[pathlib.Path(name)].splitlines())
    if count > most:
        bad.append(f"{name} has {count} lines, and may have {most}")


def anchors(text):
    """As the places that show Markdown make them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}


def there(name):
    """A path from the top, or from src/ when it begins with a layer; a module without its ending."""
    places = [pathlib.Path(name), *([pathlib.Path("src", name)] if name.split("/")[0] in layers else ())]
    return any(place.exists() or place.with_name(place.name + ".h").exists() for place in places)


for path, text in texts.items():
    for number, line in enumerate(text.splitlines(), 1):
        for pattern in ENGLISH:
            bad += [f"{path}:{number}: {found.strip()!r}" for found in re.findall(pattern, line)]
    if path.suffix != ".md":
        continue
    fenceless = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^): ]+)\)", fenceless)):
        leads = path.parent / target if target else path
        if not leads.exists():
            bad.append(f"{path} links to {target}, which is not there")
        elif anchor and anchor not in anchors(leads.read_text()):
            bad.append(f"{path} links to {target}#{anchor}, which is no heading")
    names = re.findall(r"`((?:%s)/[\w./-]+)`" % "|".join([*layers, *"src sql conf scripts tests doc man bench debian".split()]), fenceless)
    bad += [f"{path} names {name}, which is not there" for name in names if not there(name)]
print("\n".join(bad))
sys.exit(bool(bad))
PY
exit $bad
