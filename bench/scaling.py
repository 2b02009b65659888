"""Runs of Clientele alone: how throughput goes with workers, customers and organizations, and what workers weigh."""

import statistics

import dataset
from servers import children, pss_kib

CLIENTS = 16
ASKED = ("get", "list", "create")
WORKERS = (1, 2, 4, 8, 16, 32, 64)
CUSTOMERS = (10_000, 100_000, 1_000_000, 10_000_000)
ORGANIZATIONS = (1, 10, 100, 1_000, 10_000)
ORGANIZATIONS_CUSTOMERS = 100_000
QUICK_WORKERS = (1, 4, 8, 16)
QUICK_CUSTOMERS = (10_000, 100_000, 1_000_000)
QUICK_ORGANIZATIONS = (1, 100, 10_000)

MEMORY_STEPS = 4
PSS_MAX_KIB = 6 * 1024
PSS_GROWTH_MAX_KIB = 64  # between the half and the end: a page that is touched late is no leak


def point(stack, options, data, asked=ASKED, everywhere=False):
    """Rates of the running "scaling" Clientele: the median of a few runs."""
    rates = {}
    for ask in asked:
        stack.wrk(stack.urls["scaling"], ask, CLIENTS, 1, data=data, everywhere=everywhere)
        runs = [stack.wrk(stack.urls["scaling"], ask, CLIENTS, options.seconds, data=data, everywhere=everywhere)
                for _ in range(1 if options.quick else 3)]
        rates[ask] = statistics.median(run["requests"] / run["seconds"] for run in runs)
    return rates


def told(what, number, rates):
    print(f"  scaling, {number:,} {what}: " + ", ".join(f"{ask} {rate:,.0f}" for ask, rate in rates.items()), flush=True)
    return {"at": number, **rates}


def workers(stack, options):
    points = []
    for number in QUICK_WORKERS if options.quick else WORKERS:
        with stack.scaled(workers=number):
            points.append(told("workers", number, point(stack, options, stack.main, ("get", "create"))))
    return points


def in_own_database(stack, options, data, **more):
    name = f"bench_{data.customers}_{data.organizations}"
    stack.database(name, data)
    with stack.scaled(name):
        rates = point(stack, options, data, **more)
    stack.drop(name)
    return rates


def customers(stack, options):
    points = []
    for number in QUICK_CUSTOMERS if options.quick else CUSTOMERS:
        if number == stack.main.customers:
            # The database that everything else is measured with; it has grown a little.
            with stack.scaled():
                rates = point(stack, options, stack.main)
        else:
            rates = in_own_database(stack, options, dataset.Dataset(number, stack.main.organizations))
        points.append(told("customers", number, rates))
    return points


def organizations(stack, options):
    """Requests go to all organizations at once, so that with many of them the cache of keys is of little use."""
    points = []
    for number in QUICK_ORGANIZATIONS if options.quick else ORGANIZATIONS:
        data = dataset.Dataset(ORGANIZATIONS_CUSTOMERS, number)
        points.append(told("organizations", number, in_own_database(stack, options, data, everywhere=True)))
    return points


def runs(stack, options):
    yield "workers", workers(stack, options)
    yield "customers", customers(stack, options)
    yield "organizations", organizations(stack, options)


def memory(stack, clientele, requests):
    """PSS of each worker before, during and after many requests of all kinds; None when /proc does not tell."""

    def look():
        return {pid: pss_kib(pid) for pid in children(clientele.app)}

    if None in look().values():
        print("  memory: only root may see it (workers are not dumpable); run this with sudo")
        return None
    warm = stack.wrk(clientele.url, "all", CLIENTS, 1)
    done, rate, points = 0, warm["requests"] / warm["seconds"], [(0, look())]
    for step in range(1, MEMORY_STEPS + 1):
        while done < requests * step // MEMORY_STEPS:
            left = requests * step // MEMORY_STEPS - done
            answer = stack.wrk(clientele.url, "all", CLIENTS, max(1, round(left / rate)))
            done += answer["requests"]
            rate = answer["requests"] / answer["seconds"]
        points.append((done, look()))
        print(f"  memory: {', '.join(str(kib) for kib in points[-1][1].values())} KiB after {done:,} requests of all kinds"
              f" ({rate:,.0f}/s)", flush=True)
    first, half, end = points[0][1], points[MEMORY_STEPS // 2][1], points[-1][1]
    largest, grown = max(end.values()), max(end[pid] - half.get(pid, 0) for pid in end)
    lived = list(first) == list(end)
    return {
        "points": [{"requests": n, "pss_kib": list(sizes.values())} for n, sizes in points],
        "largest_kib": largest, "target_kib": PSS_MAX_KIB, "grown_kib": grown, "workers_lived": lived,
        "met": lived and largest <= PSS_MAX_KIB and grown <= PSS_GROWTH_MAX_KIB,
    }
