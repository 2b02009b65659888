#!/usr/bin/env bash
# Every code of an error is provoked by a test, and the answers in conf/ say what err.def says. (What the documents say:
# openapi.sh.)
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY'
import json, pathlib, re, sys

sys.path.insert(0, "tests/lint")

from descriptors import COMMON_ERRORS, resources

bad = [] if COMMON_ERRORS else ["src/base/err.def: no rows found"]
defined = {code: (kind, owner) for owner, rows in [("src/base/err.def", COMMON_ERRORS)] + [
    (f"src/resource/{name}/errors.def", resource.errors) for name, resource in resources().items()] for code, kind, _ in rows.values()}

tests = "".join(path.read_text() for folder in ("api", "app", "pool", "unit") for path in pathlib.Path("tests", folder).rglob("*")
                if path.suffix in (".py", ".c"))
for code, (_, owner) in defined.items():
    if f'"{code}"' not in tests:
        bad.append(f"{owner}: {code}: no test provokes it")

bodies = [(path, path.read_text()) for path in pathlib.Path("conf/lighttpd-errors").glob("*")]
for name in ("nginx-clientele.conf", "Caddyfile", "apache.conf"):
    path = pathlib.Path("conf", name)
    found = re.findall(r"""['`](\{"success".*?\})['`]""", path.read_text())
    if not found:
        bad.append(f"{path}: no answers found")
    bodies += [(path, text) for text in found]
for path, text in bodies:
    body = json.loads(text)
    inner = body["error"]
    if any(inner[name] != body[name] for name in ("code", "message", "details")) or body["success"] is not False:
        bad.append(f"{path}: the two forms of the error differ: {text}")
    if set(inner) != {"type", "code", "message", "param", "details", "doc_url"}:
        bad.append(f"{path}: members of error: {sorted(inner)}")
    if defined.get(inner["code"], ("",))[0] != inner["type"]:
        bad.append(f"{path}: {inner['code']} is not of type {inner['type']}")
    if not inner["doc_url"].endswith(f"/errors/{inner['code']}.md"):
        bad.append(f"{path}: doc_url {inner['doc_url']}")
print("\n".join(bad))
sys.exit(bool(bad))
PY
