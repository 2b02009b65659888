#!/usr/bin/env bash
# err.def, the contract's table (tests/api/helpers.py) and the answers in conf/ say the same, and every code
# is provoked by a test.
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY'
import ast, json, pathlib, re, sys

bad = []
defined = {code: (kind, int(status)) for status, code, kind in re.findall(
    r'^ERR\(\w+,\s*(\d+),\s*"(\w+)",\s*"(\w+)"', pathlib.Path("src/base/err.def").read_text(), re.M)}
if not defined:
    bad.append("src/base/err.def: no rows found")
helpers = pathlib.Path("tests/api/helpers.py")
contract = next((ast.literal_eval(node.value) for node in ast.parse(helpers.read_text()).body
                 if isinstance(node, ast.Assign) and node.targets[0].id == "ERRORS"), {})
for code, row in defined.items():
    if contract.get(code) != row:
        bad.append(f"{code}: err.def has {row}, the contract {contract.get(code)}")

tests = "".join(path.read_text() for folder in ("api", "app", "proc", "unit") for path in pathlib.Path("tests", folder).glob("test_*"))
for code in defined:
    if f'"{code}"' not in tests:
        bad.append(f"{code}: no test provokes it")

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
