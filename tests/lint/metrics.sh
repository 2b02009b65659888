#!/usr/bin/env bash
# Every metric, worker state and cause of a restart that the dashboard, the alerts and doc/operations.md name is one
# that the code writes; dashboard and alerts are well-formed, and the alerts fire when they should.
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY' || exit
import json, pathlib, re, sys

FILES = ("conf/grafana-dashboard.json", "conf/prometheus-rules.yml", "doc/operations.md")
ROLES = {"clientele_serve", "clientele_owner", "clientele_backup"}  # of the database, not metrics


def source(path, pattern):
    return re.findall(pattern, pathlib.Path(path).read_text())


events = source("src/shm/stats.h", r'EVENT\(\w+,\s*"(\w+)"')
causes = set(source("src/shm/stats.h", r'CAUSE\(\w+,\s*"(\w+)"'))
states = set(source("src/admin/tally.c", r'\[TALLY_\w+\] = "(\w+)"'))
figures = source("src/admin/tally.h", r'FIGURE\(\w+, (?:NULL|"\w*"), "(\w+)"')
families = source("src/admin/metrics.c", r'\{ "(\w+)", "(gauge|counter|histogram)"')
metrics = {f"clientele_{name}" for name in figures} | {f"clientele_{name}_total" for name in events}
for name, kind in families:
    metrics.add(f"clientele_{name}")
    if kind == "histogram":
        metrics |= {f"clientele_{name}_{part}" for part in ("bucket", "sum", "count")}

bad = [] if events and causes and states and figures and families else ["a table of src was not found"]
for path in FILES:
    text = pathlib.Path(path).read_text().replace('\\"', '"')
    bad += [f"{path}: there is no metric {name}" for name in sorted(set(re.findall(r"\bclientele_[a-z_]+\b", text)) - metrics - ROLES)]
    for label, known in (("state", states), ("cause", causes)):
        for values in re.findall(label + r'=~?"([\w|]+)"', text):
            bad += [f"{path}: there is no {label} {value}" for value in values.split("|") if value not in known]
try:
    dashboard = json.loads(pathlib.Path(FILES[0]).read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        bad.append(f"{FILES[0]}: panels share an id")
    bad += [f"{FILES[0]}: the panel {panel['title']} shows nothing" for panel in dashboard["panels"]
            if panel["type"] != "row" and not all(target["expr"] for target in panel["targets"])]
except (ValueError, KeyError) as error:
    bad.append(f"{FILES[0]}: {error!r}")
print("\n".join(bad))
sys.exit(bool(bad))
PY
need promtool
promtool check rules conf/prometheus-rules.yml && promtool test rules tests/lint/prometheus-rules.test.yml
