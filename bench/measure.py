"""Measures a running Clientele against pgbench, round by round, and writes the tables. Started by bench/run."""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENTS, THREADS = 16, 2
ORGANIZATIONS, CUSTOMERS, FIRST_EXTERNAL_ID = 50, 1000000, 1000000000
BATCH = 100
WARM_UP_SECONDS = 1
MIXED_REQUESTS, MIXED_STEPS = 100000, 4
PSS_MAX_KIB = 8 * 1024
PSS_GROWTH_MAX_KIB = 64  # between the half and the end: a page that is touched late is no leak

# ---- the statements, as Clientele sends them


def read_statements():
    """Name to text of everything in sql/query, with the \\set variables put in."""
    statements, variables, name = {}, {}, None
    for path in sorted((ROOT / "sql/query").glob("*.sql")):
        for line in path.read_text().splitlines():
            if m := re.match(r"\\set (\w+) '(.*)'$", line):
                variables[m[1]] = m[2]
            elif m := re.match(r"-- name: (\w+)", line):
                name = m[1]
                statements[name] = ""
            elif name and not line.lstrip().startswith("--"):
                statements[name] += re.sub(r"(?<!:):([a-z_]+)", lambda m: variables[m[1]], line) + "\n"
    return {name: text.strip().rstrip(";") for name, text in statements.items()}


def with_values(statement, *values):
    """
    The statement with an expression of pgbench variables in the place of each parameter.

    pgbench numbers each use of a variable anew, so each use gets the type that the statement gives to one.
    """
    types = dict(re.findall(r"\$(\d+)::(\w+(?:\[\])?)", statement))
    return re.sub(r"\$(\d+)(?:::\w+(?:\[\])?)?",
                  lambda m: f"({values[int(m[1]) - 1]})::{types[m[1]]}", statement) + ";\n"


SQL = read_statements()


def pipeline(*statements):
    return "\\startpipeline\n" + "".join(statements) + "\\endpipeline\n"


# Once a client: the session as Clientele makes it, and the organization that the client belongs to.
BEGIN = f"""\\if :fresh
{with_values(SQL["session_begin"], ":statement_timeout", ":lock_timeout")}
SELECT (string_to_array(:environments, ','))[:client_id + 1] AS environment,
       (string_to_array(:numbers, ','))[:client_id + 1] AS number \\gset
SELECT set_config('app.environment', :environment, false);
\\set fresh 0
\\endif
"""
PICK = f"\\set n {FIRST_EXTERNAL_ID} + :number + {ORGANIZATIONS} * random(0, {CUSTOMERS // ORGANIZATIONS - 1})\n"
# Fifteen digits that nobody else has, behind seventeen that make an id of them which is newer than all before.
NUMBER = "\\set made :made + 1\n\\set n :base + :client_id * 100000000 + :made\n"
ID = ":id_head::text || :n::text"

ENTER = with_values(SQL["environment_enter"], ":environment")
GET = with_values(SQL["customer_get_external"], ":environment", ":n")
LIST = with_values(SQL["customer_list"], ":environment", ":before", "26")
CREATE = (
    with_values(SQL["environment_enter_alone"], ":environment", ":n")
    + with_values(SQL["customer_create"], ":environment", ":time", ID, ":n", ":email", ":full_name", "NULL",
                  ":address", "NULL", ":timezone", ":metadata", ":active")
    + with_values(SQL["customer_settle"], ":environment", "1", "ARRAY[:n::text]", f"ARRAY[{ID}]", ":n", ":hash")
)
# What makes a batch unique is an environment of its own, so that its arrays can be constant text: that is
# less work for PostgreSQL than making a hundred ids would be.
BATCHED = (
    with_values(SQL["environment_enter_alone"], ID, ":n")
    + with_values(SQL["customer_create_many"], ID, ":time", ":ids", ":external_ids", ":emails", ":full_names",
                  ":nulls", ":addresses", ":nulls", ":timezones", ":metadatas", ":actives")
    + with_values(SQL["customer_settle"], ID, str(BATCH), ":external_ids", ":ids", ":n", ":hash")
)


def array(cells):
    """PostgreSQL's text for an array."""
    return "{" + ",".join('"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"' for cell in cells) + "}"


# As long as what wrk.lua sends.
CUSTOMER = {
    "email": "customer100010000000001@example.com",
    "full_name": "Customer Number 1",
    "address": '{"line1":"12 St James Square","city":"London","postalCode":"SW1Y 4JH","country":"GB"}',
    "timezone": "Europe/London",
    "metadata": '{"plan":"pro","seats":3,"source":"bench"}',
    "active": "t",
}
PLURALS = {"email": "emails", "full_name": "full_names", "address": "addresses", "timezone": "timezones",
           "metadata": "metadatas", "active": "actives"}
VARIABLES = {
    "fresh": 1,
    "made": 0,
    "statement_timeout": 5000,
    "lock_timeout": 5000,
    "time": "2026-01-01 00:00:00.123+00",
    "before": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "hash": "\\x" + "a5" * 32,
    **CUSTOMER,
    **{plural: array([CUSTOMER[one]] * BATCH) for one, plural in PLURALS.items()},
    "nulls": "{" + ",".join(["NULL"] * BATCH) + "}",
    "external_ids": array(str(100010000000000 + i) for i in range(BATCH)),
    "ids": array(f"019ab1c2-d3e4-7000-8000-{i:012d}" for i in range(BATCH)),
}

# ---- one measurement


class Contender:
    """Something that answers requests: run() gives figures of one measurement, 'rate' among them."""

    def __init__(self, stack, title, per_request):
        self.stack, self.title, self.per_request = stack, title, per_request


class Wrk(Contender):
    def __init__(self, stack, title, ask, per_request=1):
        super().__init__(stack, title, per_request)
        self.ask = ask

    def run(self, seconds):
        answer = self.stack.wrk(self.ask, seconds)
        return {"rate": answer["requests"] / answer["seconds"] * self.per_request,
                "p50_ms": answer["p50_ms"], "p99_ms": answer["p99_ms"]}


class Pgbench(Contender):
    def __init__(self, stack, title, script, per_request=1):
        super().__init__(stack, title, per_request)
        self.script = script

    def run(self, seconds):
        return {"rate": self.stack.pgbench(self.script, seconds) * self.per_request}


class Stack:
    """The running servers, and numbers that no two measurements share."""

    def __init__(self, options):
        self.options = options
        self.serial = 10000
        self.keys = Path(options.keys).read_text().split()
        self.environments = self.sql("SELECT e.id FROM environment e JOIN organization o ON o.id = e.organization_id "
                                     "WHERE e.livemode ORDER BY split_part(o.name, ' ', 2)::int").split()

    def psql(self, role):
        return ["-X", "-h", self.options.sockets, "-U", role, "clientele"]

    def sql(self, text):
        bin_dir = Path(self.options.pgbench).parent
        return subprocess.run([bin_dir / "psql", "-At", *self.psql("postgres"), "-c", text], check=True,
                              capture_output=True, text=True).stdout.strip()

    def places(self):
        """The next organizations, one for each client: over the rounds all of them come up."""
        self.serial += 1
        return [(self.serial * CLIENTS + i) % ORGANIZATIONS for i in range(CLIENTS)]

    def wrk(self, ask, seconds):
        places = [f"{place}:{self.keys[place]}" for place in self.places()]
        run = subprocess.run(["wrk", f"-t{THREADS}", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "10s",
                              "-s", ROOT / "bench/wrk.lua", self.options.url, "--", ask, str(self.serial), *places],
                             capture_output=True, text=True)
        found = re.search(r"^RESULT (.*)$", run.stdout, re.M)
        if not found:
            sys.exit(f"wrk failed:\n{run.stdout}{run.stderr}")
        answer = json.loads(found[1])
        if answer["refused"] or answer["broken"] or not answer["requests"]:
            sys.exit(f"not every request for {ask} was answered well: {answer}")
        return answer

    def pgbench(self, script, seconds):
        """Transactions a second, without the first second: sessions begin and statements are prepared in it."""
        places = self.places()
        variables = {
            **VARIABLES,
            "base": self.serial * 10**10,
            "id_head": f"{int(time.time() * 1000):012x}70000",
            "environments": ",".join(self.environments[place] for place in places),
            "numbers": ",".join(str(place) for place in places),
        }
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            defines = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
            run = subprocess.run([self.options.pgbench, "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(THREADS),
                                  "-T", str(seconds + 1), "-P", "1", "-f", file.name, *defines,
                                  *self.psql("clientele_serve")[1:]], capture_output=True, text=True)
        failed = re.search(r"number of failed transactions: (\d+)", run.stdout)
        if run.returncode or not failed or failed[1] != "0":
            sys.exit(f"pgbench failed:\n{run.stdout}{run.stderr}")
        first = re.search(r"^progress: ([\d.]+) s, ([\d.]+) tps", run.stderr, re.M)
        begin, count_begun = float(first[1]), float(first[1]) * float(first[2])
        count = int(re.search(r"transactions actually processed: (\d+)", run.stdout)[1])
        end = count / float(re.search(r"^tps = ([\d.]+)", run.stdout, re.M)[1])
        return (count - count_begun) / (end - begin)

    def children(self, pid):
        return sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def workers(self):
        return self.children(self.options.supervisor)

    def ticks(self):
        """Processor time since boot, in ticks: all there was, what was used, what this benchmark used."""
        every = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        roots = [self.options.supervisor, self.options.nginx, self.options.postmaster]
        ours = sum(os.times()[:4]) * os.sysconf("SC_CLK_TCK")
        for pid in roots + [child for root in roots for child in self.children(root)]:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            except FileNotFoundError:
                continue
            # Of the roots also the children that have ended.
            ours += sum(int(ticks) for ticks in fields[11 : 15 if pid in roots else 13])
        return sum(every), sum(every) - every[3] - every[4], ours


# ---- comparisons


def comparisons(stack):
    """
    Name, title, unit, least wanted share of the first reference, contenders: Clientele and its references.
    """
    return {
        "get": ("GET by external id", "requests/s", 0.28, [
            Wrk(stack, "Clientele through nginx", "get"),
            Pgbench(stack, "pgbench, the same two statements", BEGIN + PICK + pipeline(ENTER, GET)),
            Pgbench(stack, "pgbench, the bare SELECT", BEGIN + PICK + GET),
        ]),
        "list": ("list of 25", "requests/s", None, [
            Wrk(stack, "Clientele through nginx", "list"),
            Pgbench(stack, "pgbench, the same two statements", BEGIN + pipeline(ENTER, LIST)),
        ]),
        "create": ("create with Idempotency-Key", "requests/s", 0.55, [
            Wrk(stack, "Clientele through nginx", "create"),
            Pgbench(stack, "pgbench, the same pipeline", BEGIN + NUMBER + pipeline(CREATE)),
        ]),
        "batch": ("batch of 100 with Idempotency-Key", "customers/s", 0.6, [
            Wrk(stack, "Clientele through nginx", "batch", BATCH),
            Pgbench(stack, "pgbench, the same pipeline", BEGIN + NUMBER + pipeline(BATCHED), BATCH),
        ]),
    }


def compare(stack, name, rounds, seconds):
    title, unit, target, contenders = comparisons(stack)[name]
    runs = [[] for _ in contenders]
    for contender in contenders:
        contender.run(WARM_UP_SECONDS)
    for n in range(rounds):
        # Every other round backwards, so that nobody always comes after the same one.
        order = list(range(len(contenders)))[:: 1 if n % 2 == 0 else -1]
        for i in order:
            stack.sql("CHECKPOINT")
            runs[i].append(contenders[i].run(seconds))
        print(f"  {title}, round {n + 1}: "
              + ", ".join(f"{run[-1]['rate']:,.0f}" for run in runs) + f" {unit}", flush=True)
    lines = []
    for contender, run in zip(contenders, runs):
        shares = [ours["rate"] / other["rate"] for ours, other in zip(runs[0], run)]
        line = {"contender": contender.title, "rate": spread([r["rate"] for r in run])}
        if run is not runs[0]:
            line["share"] = spread(shares)
        if "p50_ms" in run[0]:
            line["p50_ms"], line["p99_ms"] = (statistics.median(r[p] for r in run) for p in ("p50_ms", "p99_ms"))
        lines.append(line)
    met = None if target is None else lines[1]["share"]["median"] >= target
    return {"name": name, "title": title, "unit": unit, "target": target, "met": met, "lines": lines}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}


def memory(stack):
    """PSS of each worker before, during and after many requests of all kinds; None when /proc does not tell."""

    def look():
        sizes = {}
        for pid in stack.workers():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            sizes[pid] = int(re.search(r"^Pss: +(\d+) kB", text, re.M)[1])
        return sizes

    try:
        look()
    except PermissionError:
        print("  memory: only root may see it (workers are not dumpable); run this with sudo")
        return None
    warm = stack.wrk("mixed", WARM_UP_SECONDS)
    done, rate, points = 0, warm["requests"] / warm["seconds"], [(0, look())]
    for step in range(1, MIXED_STEPS + 1):
        while done < MIXED_REQUESTS * step // MIXED_STEPS:
            left = MIXED_REQUESTS * step // MIXED_STEPS - done
            answer = stack.wrk("mixed", max(1, round(left / rate)))
            done += answer["requests"]
            rate = answer["requests"] / answer["seconds"]
        points.append((done, look()))
        print(f"  memory: {', '.join(str(kib) for kib in points[-1][1].values())} KiB"
              f" after {done:,} mixed requests ({rate:,.0f}/s)", flush=True)
    workers = list(points[0][1])
    same = all(list(sizes) == workers for _, sizes in points)
    largest = max(points[-1][1].values())
    half, end = points[MIXED_STEPS // 2][1], points[-1][1]
    grown = max(end[pid] - half.get(pid, 0) for pid in end)
    return {
        "points": [{"requests": n, "pss_kib": list(sizes.values())} for n, sizes in points],
        "largest_kib": largest, "target_kib": PSS_MAX_KIB, "grown_kib": grown, "workers_lived": same,
        "met": same and largest <= PSS_MAX_KIB and grown <= PSS_GROWTH_MAX_KIB,
    }


def stored(stack):
    """Ends the run unless every customer that was answered for is there."""
    wanted = int(stack.sql("SELECT coalesce(sum(cardinality(ids)), 0) FROM idempotency_key"))
    there = int(stack.sql("SELECT count(*) FROM customer")) - CUSTOMERS
    if wanted != there:
        sys.exit(f"idempotency keys tell of {wanted} new customers, but there are {there}")
    return there


# ---- the report


def version_of(*command):
    run = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+[\w.~+-]*", run.stdout + run.stderr)
    return found[0] if found else "unknown"


def environment(stack):
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory_kib = int(re.search(r"^MemTotal: +(\d+)", Path("/proc/meminfo").read_text(), re.M)[1])
    settings = ("shared_buffers", "max_wal_size", "autovacuum", "fsync", "synchronous_commit")
    os_name = re.search(r'^PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text(), re.M)
    return {
        "machine": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, {memory_kib / 2**20:.0f} GiB",
        "system": f"{os_name[1] if os_name else 'Linux'}, kernel {platform.release().split('-')[0]}",
        "clientele": version_of(stack.options.binary, "-V"),
        "postgresql": stack.sql("SHOW server_version").split()[0],
        "nginx": version_of("nginx", "-v"),
        "wrk": version_of("wrk", "-v"),
        "workers": stack.options.workers,
        "clients": CLIENTS,
        "client_threads": THREADS,
        "rounds": stack.options.rounds,
        "seconds": stack.options.seconds,
        "customers": CUSTOMERS,
        "organizations": ORGANIZATIONS,
        "postgresql_settings": {name: stack.sql(f"SHOW {name}") for name in settings},
    }


def verdict(met):
    return "" if met is None else "yes" if met else "**no**"


def tables(result):
    e = result["environment"]
    out = [
        "# Benchmark",
        "",
        f"{e['machine']}; {e['system']}. Clientele {e['clientele']} with "
        f"{e['workers']} workers, nginx {e['nginx']} with the files of conf/, PostgreSQL {e['postgresql']} ("
        + ", ".join(f"{name} {value}" for name, value in e["postgresql_settings"].items())
        + f"), wrk {e['wrk']}. Everything runs on this one machine, the clients too; meanwhile "
        f"others and the kernel's own threads used {e['others_share']:.0%} of its processors.",
        "",
        f"{e['customers']:,} customers in {e['organizations']} organizations. {e['clients']} clients ({e['client_threads']} "
        f"threads) both for wrk, which keeps its connections to nginx, and for pgbench, which has a session of PostgreSQL for "
        f"each. {e['rounds']} rounds of {e['seconds']} s in which the contenders take turns; pgbench's statements are those of "
        "sql/query, prepared, with the same settings and role. Figures: median (least to most). Share: "
        "Clientele's rate as a part of that line's, round by round.",
        "",
        "| what | contender | rate | p50, p99 | share | wanted | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in result["comparisons"]:
        for i, line in enumerate(c["lines"]):
            rate, share = line["rate"], line.get("share")
            out.append("| " + " | ".join([
                f"{c['title']}, {c['unit']}" if i == 0 else "",
                line["contender"],
                f"{rate['median']:,.0f} ({rate['min']:,.0f} to {rate['max']:,.0f})",
                f"{line['p50_ms']:.1f}, {line['p99_ms']:.1f} ms" if "p50_ms" in line else "",
                f"{share['median']:.2f} ({share['min']:.2f} to {share['max']:.2f})" if share else "",
                f"{c['target']}" if i == 1 and c["target"] else "",
                verdict(c["met"]) if i == 1 else "",
            ]) + " |")
    if m := result["memory"]:
        out += ["", "| mixed requests | PSS of each worker, KiB |", "|---|---|"]
        out += [f"| {p['requests']:,} | {', '.join(f'{kib:,}' for kib in p['pss_kib'])} |" for p in m["points"]]
        out += ["", f"Largest worker {m['largest_kib']:,} KiB, wanted at most {m['target_kib']:,}; grown by {m['grown_kib']} KiB "
                f"in the second half. Met: {verdict(m['met'])}. The mix: 60 % GET, 15 % list, 12 % create, 10 % "
                "update, 3 % batch of 100."]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser()
    for name in ("sockets", "keys", "url", "binary", "pgbench", "only", "results"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("supervisor", "nginx", "postmaster", "rounds", "seconds", "workers"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    stack = Stack(options)
    only = options.only.split(",")
    before = stack.ticks()
    result = {"environment": environment(stack), "comparisons": [], "memory": None}
    for name in comparisons(stack):
        if name in only:
            result["comparisons"].append(compare(stack, name, options.rounds, options.seconds))
    if "memory" in only:
        result["memory"] = memory(stack)
    result["customers_made"] = stored(stack)
    there, used, ours = (after - begin for begin, after in zip(before, stack.ticks()))
    result["environment"]["others_share"] = round(max(0, used - ours) / there, 3)
    text = tables(result)
    results = Path(options.results)
    (results / "latest.json").write_text(json.dumps(result, indent=1) + "\n")
    (results / "latest.md").write_text(text)
    print("\n" + text)


main()
