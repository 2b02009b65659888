"""Runs of Clientele alone: how throughput goes with workers, customers and organizations, and what workers weigh."""

import statistics

import dataset
from servers import children, pss_kib

CLIENTS = 16
ROUNDS = 3
ASKED = ("get", "list", "create")
LIMIT = "get by pgbench"  # in the same database
WORKERS = (1, 2, 3, 4, 8)
CUSTOMERS = (10_000, 100_000, 1_000_000, 10_000_000)
ORGANIZATIONS = (1, 10, 100, 1_000, 10_000)
ORGANIZATIONS_CUSTOMERS = 100_000
QUICK_WORKERS = (1, 2, 4)
QUICK_CUSTOMERS = (10_000, 100_000, 1_000_000)
QUICK_ORGANIZATIONS = (1, 100, 10_000)

MEMORY_STEPS = 4
MEMORY_MANY = 256  # clients after these
PSS_MAX_KIB, PSS_MANY_MAX_KIB = 8 * 1024, 20 * 1024
# Between the half and the end. Requests that happen to meet need memory of their own, which is no leak; twenty bytes a
# request would be one, and are more than this.
PSS_GROWTH_MAX_KIB = 512


def rate(stack, options, ask, place, everywhere):
    """Of one measurement. place: number, data set, and what Clientele was started with."""
    _, data, with_what = place
    if ask == LIMIT:
        return stack.pgbench("get", CLIENTS, options.seconds, data=data, database=with_what["database"])
    stack.wrk(stack.urls["scaling"], ask, CLIENTS, 1, data=data, everywhere=everywhere)
    run = stack.wrk(stack.urls["scaling"], ask, CLIENTS, options.seconds, data=data, everywhere=everywhere)
    return run["requests"] / run["seconds"]


def points(stack, options, what, places, asked=ASKED, everywhere=False):
    """
    Medians of the rates of each place, which is a number, a data set and what Clientele is started with.

    The places take turns, as contenders do: a machine is not the same from one minute to the next.
    """
    runs = {number: {ask: [] for ask in asked} for number, _, _ in places}
    for _ in range(1 if options.quick else ROUNDS):
        for place in places:
            number, _, with_what = place
            with stack.scaled(**with_what):
                for ask in asked:
                    runs[number][ask].append(rate(stack, options, ask, place, everywhere))
            print(f"  scaling, {number:,} {what}: " + ", ".join(f"{ask} {rates[-1]:,.0f}" for ask, rates in runs[number].items()),
                  flush=True)
    return [{"at": number, **{ask: statistics.median(rates) for ask, rates in runs[number].items()}} for number, _, _ in places]


def workers(stack, options):
    return points(stack, options, "workers",
                  [(number, stack.main, {"workers": number}) for number in (QUICK_WORKERS if options.quick else WORKERS)],
                  asked=("get", "create"))


def in_own_databases(stack, options, what, sets, **more):
    """sets: number to data set."""
    places = [(number, data, {"database": f"bench_{what}_{number}"}) for number, data in sets.items()]
    for number, data, where in places:
        print(f"  scaling, {number:,} {what}: loading", flush=True)
        stack.database(where["database"], data)
    found = points(stack, options, what, places, **more)
    for _, _, where in places:
        stack.drop(where["database"])
    return found


def customers(stack, options):
    return in_own_databases(stack, options, "customers", {
        number: dataset.Dataset(number, stack.main.organizations) for number in (QUICK_CUSTOMERS if options.quick else CUSTOMERS)},
        asked=(*ASKED, LIMIT))


def organizations(stack, options):
    """Requests go to all organizations at once, so that with many of them the cache of keys is of little use."""
    return in_own_databases(stack, options, "organizations", {
        number: dataset.Dataset(ORGANIZATIONS_CUSTOMERS, number)
        for number in (QUICK_ORGANIZATIONS if options.quick else ORGANIZATIONS)}, everywhere=True)


def runs(stack, options):
    yield "workers", workers(stack, options)
    yield "customers", customers(stack, options)
    yield "organizations", organizations(stack, options)


def memory(stack, requests):
    """
    PSS of each worker during and after many requests of all kinds; None when /proc does not tell.

    The workers are new: those of the comparisons keep what they needed for more clients than these.
    """
    with stack.scaled() as fresh:
        return weigh(stack, fresh.process.pid, requests)


def weigh(stack, supervisor, requests):
    def look():
        return {pid: pss_kib(pid) for pid in children(supervisor)}

    warm = stack.wrk(stack.urls["scaling"], "all", CLIENTS, 1)
    if None in look().values():
        print("  memory: only root may see it (workers are not dumpable); run this with sudo")
        return None
    done, rate, sizes, points = 0, warm["requests"] / warm["seconds"], [look()], []

    def ask(clients, wanted, rate):
        """At least so many requests more; a second's rate."""
        nonlocal done
        end = done + wanted
        while done < end:
            answer = stack.wrk(stack.urls["scaling"], "all", clients, max(1, round((end - done) / rate)))
            done += answer["requests"]
            rate = answer["requests"] / answer["seconds"]
        sizes.append(look())
        points.append({"requests": done, "clients": clients, "pss_kib": list(sizes[-1].values())})
        print(f"  memory: {', '.join(f'{kib:,}' for kib in points[-1]['pss_kib'])} KiB after {done:,} requests of all kinds,"
              f" {clients} clients ({rate:,.0f}/s)", flush=True)
        return rate

    for _ in range(MEMORY_STEPS):
        rate = ask(CLIENTS, requests // MEMORY_STEPS, rate)
    half, largest = (max(sizes[n].values()) for n in (-1 - MEMORY_STEPS // 2, -1))
    grown = largest - half
    ask(MEMORY_MANY, requests // MEMORY_STEPS, rate)
    lived = list(sizes[0]) == list(sizes[-1])
    many = max(sizes[-1].values())
    return {
        "points": points, "largest_kib": largest, "many_kib": many, "grown_kib": grown, "workers_lived": lived,
        "met": lived and largest <= PSS_MAX_KIB and grown <= PSS_GROWTH_MAX_KIB,
        "many_met": lived and many <= PSS_MANY_MAX_KIB,
    }
