"""Results as JSON, as Markdown and as plots."""

import json
import subprocess

from billing import CLIENTS as BILLING_CLIENTS, COSTS, RENEWED_MIN, SLOWER_MAX, TITLES
from neighbours import GETTING, LOADING, LOADS, P99_MAX_MS
from scaling import LIMIT, MEMORY_MANY, PSS_MANY_MAX_KIB, PSS_MAX_KIB

MAIN_CLIENTS = 16
TOLD_CLIENTS = (16, 64)  # those that have tables and bars of their own
P99_MAX_P50 = {64: 3.5, 256: 4}
NO_ERRORS = (256, 1024)
COLOURS = {"clientele": "#0b5fa5", "lighttpd": "#56a0d8", "pgbench": "#888888", "php": "#7a5ea8", "node": "#3f9142",
           "python": "#d1a100", "go": "#00a0a0", "rust": "#c4521c"}


def save(result, folder):
    (folder / "latest.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "latest.md").write_text(text(result))


# ---- what was wanted


def comparison(result, workload, clients=MAIN_CLIENTS):
    """The lines of a comparison: none when it was not made."""
    found = [c["lines"] for c in result["comparisons"] if (c["workload"], c["clients"]) == (workload, clients)]
    return found[0] if found else {}


def peers_of(result):
    return result["environment"]["peers"]


def best_peer(result, lines):
    there = [name for name in peers_of(result) if name in lines]
    return max(there, key=lambda name: lines[name]["rate"]["median"], default=None)


def ratios(result):
    """(workload, clients, "limit" or "peers", against whom, found, wanted) of what was measured and has a target."""
    rows = []
    for name, workload in result["workloads"].items():
        for what, wanted in (("limit", workload["of_limit"]), ("peers", workload["of_peers"])):
            for clients, least in wanted.items():
                lines = comparison(result, name, clients)
                against = "pgbench" if what == "limit" and "pgbench" in lines else best_peer(result, lines) if what == "peers" else None
                if against:
                    rows.append((name, clients, what, against, lines[against]["clientele_by_this"]["median"], least))
    return rows


def targets(result):
    """(what, found, wanted, met) of everything else that was measured and has a target."""
    rows = []

    def row(what, found, wanted, met, form="{:.2f}"):
        rows.append((what, form.format(found), wanted, met))

    for clients, most in P99_MAX_P50.items():
        if line := comparison(result, "get", clients).get("clientele"):
            found = line["p99_ms"] / line["p50_ms"]
            row(f"get, {clients} clients: p99 as a multiple of p50", found, f"<= {most}", found <= most)
    for clients in NO_ERRORS:
        every = [c["lines"]["clientele"]["errors"] for c in result["comparisons"] if c["clients"] == clients and "clientele" in c["lines"]]
        if every:
            row(f"errors at {clients:,} clients", sum(every), "0", sum(every) == 0, "{:,}")
    first, deep = (comparison(result, name).get("clientele") for name in ("first", "deep"))
    if first and deep:
        found = first["rate"]["median"] / deep["rate"]["median"]
        row("what page 10,000 costs, in first pages", found, "<= 1.10", found <= 1.1)
    if sizes := result["scaling"].get("customers"):
        found, most = (1 - sizes[-1][ask] / sizes[0][ask] for ask in ("get", LIMIT))
        row(f"get: lost from {sizes[0]['at']:,} to {sizes[-1]['at']:,} customers", found, f"<= {most:.0%}, as pgbench", found <= most, "{:.0%}")
    for load, n in (result.get("neighbours") or {}).items():
        row(f"p99 of gets while {LOADING} clients of another tenant {LOADS[load][1]}, ms", n["p99_ms"],
            f"<= {P99_MAX_MS}, no errors", n["p99_ms"] <= P99_MAX_MS and n["errors"] == 0, f"{{:.1f}}, {n['errors']:,} errors")
    if b := result.get("billing"):
        for what, other, most in COSTS:
            found = b["rates"][other] / b["rates"][what]
            row(f"{TITLES[what]}: its cost, as a multiple of a {TITLES[other]}", found, f"<= {most}", found <= most)
        r = b["renewals"]
        row("subscriptions that one clerk renews a second", r["one"], f">= {RENEWED_MIN:,}", r["one"] >= RENEWED_MIN, "{:,.0f}")
        row("two clerks, as a multiple of that", r["two"] / r["one"], "> 1", r["two"] > r["one"])
        found = 1 - r["creates_beside"] / r["creates"]
        row("creates: lost while a clerk renews", found, f"<= {SLOWER_MAX:.0%}", found <= SLOWER_MAX, "{:.0%}")
    if m := result["memory"]:
        row(f"PSS of the largest worker with {MAIN_CLIENTS} clients, KiB", m["largest_kib"], f"<= {PSS_MAX_KIB:,}, not growing", m["met"], "{:,}")
        row(f"PSS of the largest worker after {MEMORY_MANY} clients, KiB", m["many_kib"], f"<= {PSS_MANY_MAX_KIB:,}", m["many_met"], "{:,}")
    if "customers_made" in result:
        found = result["customers_made"] - result.get("customers_told", result["customers_made"])
        row(f"customers lost or doubled, of {result['customers_made']:,}", abs(found), "0", found == 0, "{:,}")
    return rows


# ---- Markdown


def table(head, rows):
    return ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def spread_text(spread, form="{:,.0f}"):
    return " ".join((form.format(spread["median"]), f"({form.format(spread['min'])} to {form.format(spread['max'])})"))


def introduction(result):
    e = result["environment"]
    settings = ", ".join(f"{name} {value}" for name, value in e["postgresql_settings"].items())
    others = f" Meanwhile others and the kernel's own threads used {e['others_share']:.0%} of its processors." if "others_share" in e else ""
    return [
        "# Benchmark",
        "",
        f"{e['machine']}; {e['system']}. Clientele {e['clientele']}, PostgreSQL {e['postgresql']} ({settings}), nginx {e['nginx']} and "
        f"lighttpd {e['lighttpd']} with the files of conf/, wrk {e['wrk']}."
        + "".join(f" {told}." for told in e["peers"].values())
        + f" Everything runs on this one machine, the clients too.{others}",
        "",
        f"{e['customers']:,} customers in {e['organizations']} organizations. Everybody has {e['connections']} connections to PostgreSQL"
        f" (Clientele: {e['workers']} workers with {e['connections'] // e['workers']} each). {e['rounds']} rounds of {e['seconds']} s in which the contenders take turns. Figures:"
        " median (least to most). How to read them: doc/performance.md.",
    ]


def wanted_tables(result):
    """What was wanted beside what was found."""
    found = {(name, what, clients): (value, least) for name, clients, what, _, value, least in ratios(result)}
    columns = [(what, clients) for what in ("limit", "peers") for clients in TOLD_CLIENTS]
    titles = {"limit": "of pgbench", "peers": "of the best peer"}

    def cell(name, what, clients):
        if (name, what, clients) not in found:
            return ""
        value, least = found[name, what, clients]
        return f"{value:.2f} (>= {least:.2f})" if value >= least else f"**{value:.2f}** (>= {least:.2f})"

    rows = [[workload["title"], *(cell(name, *column) for column in columns)] for name, workload in result["workloads"].items()
            if any((name, *column) in found for column in columns)]
    out = table(["", *(f"{titles[what]}, {clients} clients" for what, clients in columns)], rows) if rows else []
    met = [[what, value if good else f"**{value}**", wanted] for what, value, wanted, good in targets(result)]
    if met:
        out += table(["", "found", "wanted"], met)
    head = ["", "## Wanted beside found", "", "Medians of the rounds; in brackets what was wanted. What was missed is bold."]
    return head + out if out else []


def main_table(result, name, clients):
    lines, workload = comparison(result, name, clients), result["workloads"][name]
    rows = []
    for contender, line in lines.items():
        cpu, by = line.get("cpu_us", {}), line.get("clientele_by_this")
        rows.append([
            result["titles"][contender],
            spread_text(line["rate"]),
            spread_text(by, "{:.2f}") if by else "",
            *(f"{line[p]:.1f}" if p in line else "" for p in ("p50_ms", "p99_ms", "p999_ms")),
            *(f"{cpu[group]:,.0f}" if group in cpu else "" for group in ("web", "app", "postgresql")),
            f"{line['app_pss_kib'] / 1024:,.1f}" if line.get("app_pss_kib") else "",
            f"{line['errors']:,}",
        ])
    return ["", f"### {workload['title']}, {clients} clients"] + table(
        ["", workload["unit"], "Clientele by this", "p50 ms", "p99", "p99.9", "CPU us a request: web", "application", "PostgreSQL",
         "application's PSS, MiB", "errors"], rows)


def clients_table(result):
    seen = sorted({c["clients"] for c in result["comparisons"]})
    rows = []
    for name, workload in result["workloads"].items():
        for contender, title in result["titles"].items():
            cells = [comparison(result, name, clients).get(contender) for clients in seen]
            if sum(cell is not None for cell in cells) < 2:
                continue
            rows.append([workload["title"], title]
                        + ["" if cell is None else f"{cell['rate']['median']:,.0f}"
                           + (f", {cell['p99_ms']:.1f} ms" if "p99_ms" in cell else "") for cell in cells])
    if not rows:
        return []
    return ["", "## By clients", "", "Rate, and p99."] + table(["", ""] + [f"{clients} clients" for clients in seen], rows)


def scaling_tables(result):
    out = []
    for what, points in result["scaling"].items():
        asked = [ask for ask in points[0] if ask != "at"]
        out += table([what] + [f"{ask}, requests/s" for ask in asked],
                     [[f"{p['at']:,}"] + [f"{p[ask]:,.0f}" for ask in asked] for p in points])
    return ["", "## Scaling", "", f"Clientele behind nginx, {MAIN_CLIENTS} clients."] + out if out else []


def neighbours_table(result):
    if not result.get("neighbours"):
        return []
    columns = ("alone_rate", "alone_p99_ms", "rate", "p50_ms", "p99_ms", "p999_ms", "errors", "loads", "loads_refused")
    rows = [[f"that {LOADS[load][1]}", *(f"{n[name]:,.1f}" if name != "errors" else f"{n[name]:,}" for name in columns)]
            for load, n in result["neighbours"].items()]
    return ["", "## Neighbours", "", f"Gets of {GETTING} clients of a tenant beside {LOADING} clients of another one, which ask again at "
            "once when they are refused."] + table(
                ["beside clients", "gets alone, a second", "p99 in ms", "beside: gets a second", "p50", "p99", "p99.9", "errors",
                 "of the others a second", "refused a second"], rows)


def memory_table(result):
    m = result["memory"]
    if not m:
        return []
    rows = [[f"{p['requests']:,}", str(p["clients"]), ", ".join(f"{kib:,}" for kib in p["pss_kib"])] for p in m["points"]]
    return ["", "## Memory"] + table(["requests of all kinds", "clients", "PSS of each worker, KiB"], rows) + [
        "", f"Of a Clientele that was started for this. Grown by {m['grown_kib']} KiB in the second half of those with {MAIN_CLIENTS} clients. The kinds: 60 % get, 15 % list, "
        "12 % create, 10 % update, 3 % batch of 100."]


def billing_table(result):
    if not (b := result.get("billing")):
        return []
    rows = [[TITLES[what], f"{rate:,.0f}"] for what, rate in b["rates"].items()]
    rows += [["renewals by one clerk", f"{b['renewals']['one']:,.0f}"], ["by two", f"{b['renewals']['two']:,.0f}"],
             ["creates while one renews", f"{b['renewals']['creates_beside']:,.0f}"], ["and while none does", f"{b['renewals']['creates']:,.0f}"]]
    return ["", f"## Subscriptions, {BILLING_CLIENTS} clients", *table(["", "a second"], rows)]


def text(result):
    out = introduction(result) + wanted_tables(result)
    for clients in TOLD_CLIENTS:
        names = [name for name in result["workloads"] if comparison(result, name, clients)]
        out += ["", f"## {clients} clients"] if names else []
        for name in names:
            out += main_table(result, name, clients)
    return "\n".join(out + clients_table(result) + scaling_tables(result) + neighbours_table(result) + memory_table(result) + billing_table(result)) + "\n"


# ---- plots


def plot(folder, name, commands, blocks):
    """One SVG by gnuplot; blocks: names and rows of the data in it."""
    lines = ["set terminal svg size 900,520 font 'sans-serif,14' background 'white'", f"set output '{folder / name}.svg'",
             "set grid ytics lc rgb '#dddddd'", "set border 3", "set tics nomirror", "set key outside right top"]
    for block, rows in blocks.items():
        lines += [f"${block} << EOD", *(" ".join(f'"{cell}"' if isinstance(cell, str) else str(cell) for cell in row) for row in rows), "EOD"]
    subprocess.run(["gnuplot"], input="\n".join(lines + commands) + "\n", text=True, check=True)
    file = folder / f"{name}.svg"
    file.write_text("".join(line.rstrip() + "\n" for line in file.read_text().splitlines()))


def bars(result, folder, name, clients):
    lines = comparison(result, name, clients)
    rows = [(i, result["titles"][contender], line["rate"]["median"], line["rate"]["min"], line["rate"]["max"],
             int(COLOURS[contender][1:], 16)) for i, (contender, line) in enumerate(lines.items())]
    workload = result["workloads"][name]
    plot(folder, f"{name}-{clients}", [
        f"set title '{workload['title']}, {clients} clients'", f"set ylabel '{workload['unit']}'", "set yrange [0:*]", "unset key",
        f"set xrange [-0.6:{len(rows) - 0.4}]", "set xtics rotate by -30", "set boxwidth 0.7", "set style fill solid",
        "plot $d using 1:3:6:xtic(2) with boxes lc rgb variable, $d using 1:3:4:5 with yerrorbars lc rgb '#333333' ps 0",
    ], {"d": rows})


def wanted_bars(result, folder):
    """What was found as a multiple of what was wanted."""
    rows = [(i, f"{name} {clients}: {against}", found / least, int(COLOURS[against][1:], 16))
            for i, (name, clients, _, against, found, least) in enumerate(ratios(result))]
    if rows:
        plot(folder, "wanted", [
            "set title 'Clientele by the limit and by the best peer, as a multiple of what was wanted'", "set yrange [0:*]", "unset key",
            f"set xrange [-0.6:{len(rows) - 0.4}]", "set xtics rotate by 60 right font ',11'", "set boxwidth 0.7", "set style fill solid",
            "plot $d using 1:3:4:xtic(2) with boxes lc rgb variable, 1 lc rgb '#333333'"], {"d": rows})


def curves(result, folder, name, what, unit, value):
    """A line for each contender over the number of clients."""
    series = {}
    for c in result["comparisons"]:
        for contender, line in c["lines"].items():
            if c["workload"] == name and value(line) is not None:
                series.setdefault(contender, []).append((c["clients"], value(line)))
    series = {contender: sorted(rows) for contender, rows in series.items() if len(rows) > 1}
    if not series:
        return
    parts = [f"${contender} using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '{COLOURS[contender]}' title '{result['titles'][contender]}'"
             for contender in series]
    plot(folder, f"{name}-clients-{what}", [
        f"set title '{result['workloads'][name]['title']}: {what}'", f"set ylabel '{unit}'", "set xlabel 'clients'", "set logscale x 2",
        "set yrange [0:*]" if what == "rate" else "set logscale y", "plot " + ", ".join(parts)], series)


def scaled(result, folder, what, points):
    asked = [ask for ask in points[0] if ask != "at"]
    rows = [[point["at"], *(point[ask] for ask in asked)] for point in points]
    parts = [f"$d using 1:{i} with linespoints lw 2 pt 7 title '{ask}'" for i, ask in enumerate(asked, 2)]
    plot(folder, f"scaling-{what}", [
        f"set title 'Clientele by {what}, {MAIN_CLIENTS} clients'", "set ylabel 'requests/s'", f"set xlabel '{what}'",
        f"set logscale x {2 if what == 'workers' else 10}", "set yrange [0:*]", "plot " + ", ".join(parts)], {"d": rows})


def plots(result, folder):
    for old in folder.glob("*.svg"):
        old.unlink()
    for name, workload in result["workloads"].items():
        for clients in TOLD_CLIENTS:
            if comparison(result, name, clients):
                bars(result, folder, name, clients)
        curves(result, folder, name, "rate", workload["unit"], lambda line: line["rate"]["median"])
        curves(result, folder, name, "p99", "ms", lambda line: line.get("p99_ms"))
    wanted_bars(result, folder)
    for what, points in result["scaling"].items():
        scaled(result, folder, what, points)
