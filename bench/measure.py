"""Measures Clientele, the peers and pgbench, round by round, and writes the tables and plots. Started by bench/run."""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import billing
import neighbours
import report
import scaling
from servers import Stack, cpu_seconds, machine_ticks, tree_pss_kib
from statements import BATCH

WARM_UP_SECONDS = 1  # before each comparison
# Before all: some of the contenders compile what is used often, and are slow until they have.
FIRST_WARM_UP_SECONDS = 10
ALL_CLIENTS = (1, 16, 64, 256)
MANY_CLIENTS = 1024  # Clientele alone: whether it answers all of them
QUICK_CLIENTS = (16, 64)
MAIN_CLIENTS = 16


class Workload(NamedTuple):
    title: str
    unit: str
    per_request: int = 1
    large: bool = False  # in the large organization alone
    of_limit: dict = {}  # clients to the wanted share of pgbench
    of_peers: dict = {}  # clients to the wanted multiple of the best peer


WORKLOADS = {
    "get": Workload("get by external id", "requests/s", of_limit={16: 0.42, 64: 0.55}, of_peers={16: 1.4, 64: 1.9}),
    "public": Workload("get by public id", "requests/s"),
    "list": Workload("list page of 25", "requests/s", of_limit={16: 0.42, 64: 0.52}, of_peers={16: 1.5, 64: 1.9}),
    "deep": Workload("list page 10,000", "requests/s", large=True),
    "first": Workload("first page of the organization of page 10,000, of those that were loaded", "requests/s", large=True),
    "create": Workload("create with key", "requests/s", of_limit={16: 0.85, 64: 1.5}, of_peers={16: 1.2, 64: 1.9}),
    "single": Workload("create with key, all of one tenant", "requests/s", large=True),
    "repeat": Workload("repeated create", "requests/s", of_peers={16: 1.2, 64: 1.5}),
    "update": Workload("update with key", "requests/s", of_limit={16: 0.72, 64: 0.80}, of_peers={16: 1.15, 64: 1.3}),
    "batch": Workload("batch of 100 with key", "customers/s", per_request=BATCH, of_limit={16: 0.88}, of_peers={16: 1.15}),
    "mix": Workload("mix: 80 % get, 15 % list, 5 % create", "requests/s", of_limit={16: 0.46}, of_peers={16: 1.3}),
    "empty": Workload("an answer without PostgreSQL (404)", "requests/s"),
}
QUICK = ("get", "list", "create", "neighbours", "memory")
# With so many clients.
MANY = ("get", "create", "mix")
# Who takes part where it is not everybody.
SOME = {"first": "limit", "empty": "ours"}

# ---- contenders


class Contender(NamedTuple):
    name: str
    title: str
    url: str = None  # None: pgbench
    web: int = None  # process groups, each told by its first process
    app: int = None


def contenders(stack):
    about, urls = stack.about, stack.urls
    titles = {"php": "PHP-FPM, PDO", "node": "Node, Fastify, pg", "python": "Python, FastAPI, asyncpg", "go": "Go, net/http, pgx",
              "rust": "Rust, axum, tokio-postgres"}
    return [
        Contender("clientele", "Clientele, nginx", urls["nginx"], about["nginx"], about["clientele"]),
        Contender("lighttpd", "Clientele, lighttpd", urls["lighttpd"], about["lighttpd"], about["clientele"]),
        Contender("pgbench", "the limit: pgbench"),
        *(Contender(name, titles[name], urls[name], about["nginx"], pid) for name, pid in stack.peers.items()),
    ]


def measure(stack, contender, name, clients, seconds):
    """One measurement; None when pgbench cannot do this one."""
    workload = WORKLOADS[name]
    groups = {"web": contender.web, "app": contender.app, "postgresql": stack.about["postmaster"]}
    groups = {group: pid for group, pid in groups.items() if pid}
    before = {group: cpu_seconds(pid) for group, pid in groups.items()}
    if contender.url is None:
        return {"rate": stack.pgbench(name, clients, seconds, workload.large) * workload.per_request, "errors": 0}
    answer = stack.wrk(contender.url, name, clients, seconds, workload.large)
    good = answer["requests"] - answer["refused"]
    return {
        "rate": good / answer["seconds"] * workload.per_request,
        **{p: answer[p] for p in ("p50_ms", "p99_ms", "p999_ms")},
        "errors": answer["refused"] + answer["broken"],
        "cpu_us": {group: (cpu_seconds(pid) - before[group]) * 1e6 / good for group, pid in groups.items()},
        "app_pss_kib": tree_pss_kib(contender.app),
    }


# ---- rounds


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}


def summed_up(runs):
    """One line of the runs of one contender."""
    line = {"rate": spread([run["rate"] for run in runs]), "errors": sum(run["errors"] for run in runs)}
    if "p50_ms" in runs[0]:
        line.update({p: statistics.median(run[p] for run in runs) for p in ("p50_ms", "p99_ms", "p999_ms")})
        line["cpu_us"] = {group: statistics.median(run["cpu_us"][group] for run in runs) for group in runs[0]["cpu_us"]}
        sizes = [run["app_pss_kib"] for run in runs if run["app_pss_kib"]]
        line["app_pss_kib"] = max(sizes, default=None)
    return line


def compare(stack, everybody, name, clients, rounds, seconds):
    """All contenders, round by round."""
    for contender in everybody:
        measure(stack, contender, name, clients, WARM_UP_SECONDS)
    runs = [[] for _ in everybody]
    for n in range(rounds):
        # Every other round backwards, so that nobody always comes after the same one.
        for i in list(range(len(everybody)))[:: 1 if n % 2 == 0 else -1]:
            stack.sql("CHECKPOINT")
            runs[i].append(measure(stack, everybody[i], name, clients, seconds))
        print(f"  {WORKLOADS[name].title}, {clients} clients, round {n + 1}: "
              + ", ".join(f"{contender.name} {run[-1]['rate']:,.0f}" for contender, run in zip(everybody, runs)), flush=True)
    lines = {contender.name: summed_up(run) for contender, run in zip(everybody, runs)}
    for contender, run in zip(everybody, runs):
        # Of the others: Clientele's rate as a multiple of theirs, round by round.
        own = next((run for contender, run in zip(everybody, runs) if contender.name == "clientele"), None)
        if own and contender.name != "clientele":
            lines[contender.name]["clientele_by_this"] = spread([mine["rate"] / other["rate"] for mine, other in zip(own, run)])
    return {"workload": name, "clients": clients, "lines": lines}


def plan(options):
    """(workload, clients, who takes part) in order."""
    names = [name for name in options.only if name in WORKLOADS]
    if "deep" in names:
        names.insert(names.index("deep") + 1, "first")
    everybody = "rivals" if options.quick else "all"
    steps = [(name, clients, SOME.get(name, everybody)) for name in names for clients in options.clients if clients < MANY_CLIENTS]
    many = [clients for clients in options.clients if clients >= MANY_CLIENTS]
    return steps + [(name, clients, "clientele") for name in names if name in MANY for clients in many]


def take_part(everybody, who):
    return {"all": everybody, "rivals": [c for c in everybody if c.name != "lighttpd"],
            "limit": [c for c in everybody if c.name in ("clientele", "pgbench")],
            "ours": [c for c in everybody if c.name in ("clientele", "lighttpd")],
            "clientele": [c for c in everybody if c.name == "clientele"]}[who]


# ---- what is told beside


def stored(stack):
    """Customers that kept answers call created, and customers that are there: both grow alike, or an answer was a lie."""
    return [int(number) for number in stack.sql(  # one statement: both of the same moment
        "SELECT (SELECT coalesce(sum(regexp_count(headers || convert_from(answer, 'UTF8'), "
        "'Clientele-Result: created|\"status\":\"created\"')), 0) FROM idempotency_key), (SELECT count(*) FROM customer)").split("|")]


def version_of(*command):
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "unknown"
    found = re.search(r"\d+\.\d+[\w.~+-]*", run.stdout + run.stderr)
    return found[0] if found else "unknown"


def locked(path, before):
    """The version of a library in a lock file of a peer: what follows this text."""
    text = Path(__file__).with_name("peers").joinpath(path).read_text().partition(before)[2]
    return re.match(r"[0-9.]*", text)[0]


def peer_versions(peers):
    tell = {
        "php": lambda: ["PHP " + version_of("php", "-v")],
        "node": lambda: ["Node " + version_of("node", "-v"), "Fastify " + locked("node/package.json", '"fastify": "'),
                         "pg " + locked("node/package.json", '"pg": "')],
        "python": lambda: ["Python " + version_of("/usr/bin/python3", "-V")]
        + [f"{name} " + locked("python/requirements.txt", f"{name}==") for name in ("fastapi", "uvicorn", "asyncpg", "orjson")],
        "go": lambda: ["Go " + version_of("go", "version"), "pgx " + locked("go/go.mod", "pgx/v5 v")],
        "rust": lambda: ["Rust " + version_of("rustc", "--version")]
        + [f"{name} " + locked("rust/Cargo.lock", f'name = "{name}"\nversion = "') for name in ("axum", "tokio-postgres", "deadpool-postgres")],
    }
    return {name: ", ".join(tell[name]()) for name in peers}


def environment(stack, options):
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory_kib = int(re.search(r"^MemTotal: +(\d+)", Path("/proc/meminfo").read_text(), re.M)[1])
    settings = ("shared_buffers", "max_wal_size", "autovacuum", "fsync", "synchronous_commit")
    os_name = re.search(r'^PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text(), re.M)
    return {
        "machine": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, {memory_kib / 2**20:.0f} GiB",
        "system": f"{os_name[1] if os_name else 'Linux'}, kernel {platform.release().split('-')[0]}",
        "clientele": version_of(stack.dir / "build/clientele", "-V"),
        "postgresql": stack.sql("SHOW server_version").split()[0],
        "nginx": version_of("nginx", "-v"),
        "lighttpd": version_of("lighttpd", "-v"),
        "wrk": version_of("wrk", "-v"),
        "peers": peer_versions(stack.peers),
        "workers": stack.workers,
        "connections": stack.connections,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "quick": options.quick,
        "customers": stack.main.customers,
        "organizations": stack.main.organizations,
        "postgresql_settings": {name: stack.sql(f"SHOW {name}") for name in settings},
    }


def read_options():
    parser = argparse.ArgumentParser()
    for name in ("stack", "only", "clients", "quick", "add", "results"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("rounds", "seconds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    options.quick = options.quick == "yes"
    everything = [*(name for name in WORKLOADS if name != "first"), "neighbours", "memory", "billing", "scaling"]
    options.only = [word for word in options.only.split(",") if word] or list(QUICK if options.quick else everything)
    options.clients = [int(word) for word in options.clients.split(",") if word] or list(
        QUICK_CLIENTS if options.quick else (*ALL_CLIENTS, MANY_CLIENTS))
    return options


def main():
    options = read_options()
    stack = Stack(options.stack)
    everybody = contenders(stack)
    began, ticks, kept = time.monotonic(), machine_ticks(), stored(stack)
    roots = {pid for c in everybody for pid in (c.web, c.app) if pid} | {stack.about["postmaster"]}

    def ours():
        return sum(os.times()[:4]) + sum(cpu_seconds(pid) for pid in roots)

    used = ours()
    result = {"environment": environment(stack, options), "titles": {c.name: c.title for c in everybody},
              "workloads": {name: w._asdict() for name, w in WORKLOADS.items()}, "comparisons": [], "scaling": {}, "memory": None, "neighbours": None, "billing": None}
    steps = plan(options)
    if options.add == "yes":
        old = json.loads(Path(options.results, "latest.json").read_text())
        anew = {(name, clients) for name, clients, _ in steps}
        result["environment"]["peers"] = {**old["environment"]["peers"], **result["environment"]["peers"]}
        result.update(scaling=old["scaling"], memory=old["memory"], neighbours=old.get("neighbours"), billing=old.get("billing"), titles={**old["titles"], **result["titles"]},
                      comparisons=[c for c in old["comparisons"] if (c["workload"], c["clients"]) not in anew])
    for contender in {name: c for step in steps for c in take_part(everybody, step[2]) if (name := c.url)}.values():
        stack.wrk(contender.url, "all", MAIN_CLIENTS, FIRST_WARM_UP_SECONDS // (2 if options.quick else 1))
    for name, clients, who in steps:
        result["comparisons"].append(compare(stack, take_part(everybody, who), name, clients, options.rounds, options.seconds))
        report.save(result, Path(options.results))
    # Before the neighbours, one of which leaves large customers that others would read.
    if "memory" in options.only:
        result["memory"] = scaling.memory(stack, 10000 if options.quick else 100000)
    if "neighbours" in options.only:
        result["neighbours"] = neighbours.run(stack, options)
    result["customers_told"], result["customers_made"] = (after - before for before, after in zip(kept, stored(stack)))
    if "billing" in options.only:  # answers that tell of subscriptions are kept, too
        result["billing"] = billing.run(stack, options)
    report.save(result, Path(options.results))
    if "scaling" in options.only:
        for name, points in scaling.runs(stack, options):
            result["scaling"][name] = points
            report.save(result, Path(options.results))
    every, busy = (after - before for before, after in zip(ticks, machine_ticks()))
    share = (busy - (ours() - used) * os.sysconf("SC_CLK_TCK")) / every
    result["environment"].update(others_share=round(max(0, share), 3), minutes=round((time.monotonic() - began) / 60))
    if options.add == "yes":
        made = old.get("customers_made", 0)
        result["customers_made"] += made
        result["customers_told"] += old.get("customers_told", made)
        before = {"others_share": 0, "minutes": 0, **old["environment"]}  # a run that was cut short does not tell
        result["environment"].update(others_share=max(result["environment"]["others_share"], before["others_share"]),
                                     minutes=result["environment"]["minutes"] + before["minutes"])
    report.save(result, Path(options.results))
    report.plots(result, Path(options.results))
    print("\n" + report.text(result))
    if result["customers_told"] != result["customers_made"]:
        sys.exit(f"the answers that are kept tell of {result['customers_told']} new customers, but there are {result['customers_made']}")


if __name__ == "__main__":
    main()
