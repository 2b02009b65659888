#!/usr/bin/env bash
# Each claim of doc/security.md names a test that there is; its table of the sandbox names the calls that are tried.
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY'
import ast, pathlib, re, sys

DOCUMENT = "doc/security.md"
NAME = re.compile(r"`(tests/[\w/.-]+)::(\w+)`")
LINT = re.compile(r"`(tests/lint/\w+\.sh)`")
text = pathlib.Path(DOCUMENT).read_text()
bad = []

for path, name in NAME.findall(text):
    file = pathlib.Path(path)
    pattern = rf"^def {name}\(" if file.suffix == ".py" else rf"^{name}\(void \*\*state"
    if not file.exists():
        bad.append(f"{path} is not there")
    elif not re.search(pattern, file.read_text(), re.M):
        bad.append(f"{path} has no {name}")

sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.M))
for title in ("Attackers, and what they have", "OWASP API Security Top 10 (2023)", "Secrets", "Transport"):
    blocks = re.findall(r"^\|(?!---).*$|^\* .*\n(?:  .*\n)*", sections.get(title, ""), re.M)
    if not blocks:
        bad.append(f"there is no section {title!r} with claims in it")
    bad += [f"no test is named for: {block[:60]}" for block in blocks if not (NAME.search(block) or LINT.search(block))
            and not re.match(r"\| (attacker|risk|secret) ", block)]

# The sandbox: what the tests try, and where.
trials = {}
for node in ast.parse(pathlib.Path("tests/security/test_sandbox.py").read_text()).body:
    if isinstance(node, ast.Assign) and node.targets[0].id in ("NEVER", "NOT_LOCALLY"):
        trials[node.targets[0].id] = list(ast.literal_eval(node.value))
rows = [row.rsplit("|", 2)[1] for row in re.findall(r"^\|(?!---).*$", sections["Sandbox"], re.M)][1:]
named = [name.strip() for row in rows for name in row.split(",")]
wanted = trials["NEVER"] + [f"*{name}*" for name in trials["NOT_LOCALLY"]]
bad += [f"the sandbox's table names {name}, which is tried by no test, or elsewhere" for name in named if name not in wanted]
bad += [f"the sandbox's table does not name {name}, which is tried" for name in wanted if named.count(name) != 1]
if f"{len(wanted)} calls are made with a local database" not in text or f"and {len(trials['NEVER'])}, those not in italics" not in text:
    bad.append(f"{len(wanted)} calls are tried with a local database and {len(trials['NEVER'])} with another: it says something else")
print("\n".join(f"{DOCUMENT}: {line}" for line in bad))
sys.exit(bool(bad))
PY
