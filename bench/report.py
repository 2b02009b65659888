"""Results as JSON, as Markdown and as plots."""

import json
import subprocess

from neighbours import P99_MAX_MS, SEARCHING

MAIN_CLIENTS = 16
CPU_MAX_US, PSS_MAX_KIB = 25, 6 * 1024
COLOURS = {"clientele": "#0b5fa5", "kept": "#083b6a", "lighttpd": "#56a0d8", "pgbench": "#888888", "php": "#7a5ea8", "node": "#3f9142",
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


def both(line):
    """Medians of Clientele's multiples of this line: as it is shipped, and with kept connections (or None)."""
    kept = line.get("kept_by_this")
    return line["clientele_by_this"]["median"], kept and kept["median"]


def targets(result):
    """(what, found, the same with kept connections or None, wanted, met) of everything that was measured and has a target."""
    rows = []

    def row(what, found, wanted, met, form="{:.2f}", kept=None):
        rows.append((what, form.format(found), kept and form.format(kept), wanted, met))

    for name, workload in result["workloads"].items():
        lines = comparison(result, name)
        if workload["of_limit"] and "pgbench" in lines:
            found, kept = both(lines["pgbench"])
            row(f"{workload['title']}: share of pgbench", found, f">= {workload['of_limit']:.2f}", found >= workload["of_limit"], kept=kept)
        best = best_peer(result, lines)
        if workload["of_peers"] and best:
            found, kept = both(lines[best])
            row(f"{workload['title']}: against {result['titles'][best]}, the best peer", found, f">= {workload['of_peers']}",
                found >= workload["of_peers"], kept=kept)
    for clients, most in ((64, 3), (256, 8)):
        lines = comparison(result, "get", clients)
        if lines:
            found, kept = (lines[ours]["p99_ms"] / lines[ours]["p50_ms"] if ours in lines else None for ours in ("clientele", "kept"))
            row(f"get, {clients} clients: p99 as a multiple of p50", found, f"<= {most}", found <= most, kept=kept)
    every = [c["lines"]["clientele"]["errors"] for c in result["comparisons"] if c["clients"] == 256 and "clientele" in c["lines"]]
    if every:
        row("errors at 256 clients", sum(every), "0", sum(every) == 0, "{:,}")
    first, deep = (comparison(result, name).get("clientele") for name in ("first", "deep"))
    if first and deep:
        found = first["rate"]["median"] / deep["rate"]["median"]
        row("what page 10,000 costs, in first pages", found, "<= 1.10", found <= 1.1)
    sizes = result["scaling"].get("customers")
    if sizes:
        found = 1 - sizes[-1]["get"] / sizes[0]["get"]
        row(f"get: lost from {sizes[0]['at']:,} to {sizes[-1]['at']:,} customers", found, "<= 15 %", found <= 0.15, "{:.0%}")
    lines = comparison(result, "get")
    if lines:
        found, kept = (lines[ours]["cpu_us"]["app"] if ours in lines else None for ours in ("clientele", "kept"))
        row("processor time of Clientele a get, us", found, f"<= {CPU_MAX_US}", found <= CPU_MAX_US, "{:.0f}", kept)
    if beside := result.get("neighbours"):
        row("p99 of a get beside 16 searching clients of another tenant, ms", beside["p99_ms"], f"<= {P99_MAX_MS}",
            beside["p99_ms"] <= P99_MAX_MS, "{:.1f}")
    if result["memory"]:
        found = result["memory"]["largest_kib"]
        row("PSS of the largest worker, KiB", found, f"<= {PSS_MAX_KIB:,}, not growing", result["memory"]["met"], "{:,}")
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
        f"{e['customers']:,} customers in {e['organizations']} organizations. Everybody has {e['workers']} connections to PostgreSQL"
        f" (Clientele: {e['workers']} workers). {e['rounds']} rounds of {e['seconds']} s in which the contenders take turns. Figures:"
        " median (least to most). How to read them: doc/performance.md.",
    ]


def main_table(result, name):
    lines, workload = comparison(result, name), result["workloads"][name]
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
    return ["", f"### {workload['title']}"] + table(
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
    n = result.get("neighbours")
    if not n:
        return []
    return ["", "## Neighbours", "", f"Gets of one client beside {SEARCHING} clients of another tenant that search among a quarter of all "
            "customers and ask again at once when they are refused."] + table(
                ["gets alone, p99 in ms", "p50", "p99", "p99.9", "searches/s", "refused searches/s"],
                [[f"{n[name]:,.1f}" for name in ("alone_p99_ms", "p50_ms", "p99_ms", "p999_ms", "searches", "searches_refused")]])


def memory_table(result):
    m = result["memory"]
    if not m:
        return []
    rows = [[f"{p['requests']:,}", ", ".join(f"{kib:,}" for kib in p["pss_kib"])] for p in m["points"]]
    return ["", "## Memory"] + table(["requests of all kinds", "PSS of each worker, KiB"], rows) + [
        "", f"Grown by {m['grown_kib']} KiB in the second half. The kinds: 60 % get, 15 % list, 12 % create, 10 % update, 3 % batch of 100."]


def text(result):
    out = introduction(result)
    met = [[what, found, kept or "", wanted, "yes" if good else "**no**"] for what, found, kept, wanted, good in targets(result)]
    if met:
        out += ["", "## What was wanted"] + table(["", "found", "where nginx keeps connections", "wanted", "met"], met)
    out += ["", f"## {MAIN_CLIENTS} clients"]
    for name in result["workloads"]:
        if comparison(result, name):
            out += main_table(result, name)
    return "\n".join(out + clients_table(result) + scaling_tables(result) + neighbours_table(result) + memory_table(result)) + "\n"


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


def bars(result, folder, name):
    lines = comparison(result, name)
    rows = [(i, result["titles"][contender], line["rate"]["median"], line["rate"]["min"], line["rate"]["max"],
             int(COLOURS[contender][1:], 16)) for i, (contender, line) in enumerate(lines.items())]
    workload = result["workloads"][name]
    plot(folder, f"{name}-{MAIN_CLIENTS}", [
        f"set title '{workload['title']}, {MAIN_CLIENTS} clients'", f"set ylabel '{workload['unit']}'", "set yrange [0:*]", "unset key",
        f"set xrange [-0.6:{len(rows) - 0.4}]", "set xtics rotate by -30", "set boxwidth 0.7", "set style fill solid",
        "plot $d using 1:3:6:xtic(2) with boxes lc rgb variable, $d using 1:3:4:5 with yerrorbars lc rgb '#333333' ps 0",
    ], {"d": rows})


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
        if comparison(result, name):
            bars(result, folder, name)
        curves(result, folder, name, "rate", workload["unit"], lambda line: line["rate"]["median"])
        curves(result, folder, name, "p99", "ms", lambda line: line.get("p99_ms"))
    for what, points in result["scaling"].items():
        scaled(result, folder, what, points)
