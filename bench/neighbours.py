"""What one tenant's heavy load costs another tenant's gets: Clientele alone, behind nginx."""

import statistics
import threading
import time

# Of one tenant, many clients that ask again at once when they are refused; of another one, gets.
LOADS = {"batches": ("heavy", "send batches of 100, 0.96 MB each"), "searches": ("search", "search among a quarter of all customers")}
LOADING = 8
GETTING = 16
P99_MAX_MS = 25
# Organizations. The large one is not given large customers.
LOADERS, GETTER = {"batches": 2, "searches": 0}, 1


class Loading(threading.Thread):
    def __init__(self, stack, load, seconds):
        super().__init__()
        self.stack, self.load, self.seconds, self.answer = stack, load, seconds, None
        self.start()

    def run(self):
        self.answer = self.stack.wrk(self.stack.urls["nginx"], LOADS[self.load][0], LOADING, self.seconds, at=[LOADERS[self.load]])


def gets(stack, seconds):
    answer = stack.wrk(stack.urls["nginx"], "get", GETTING, seconds, at=[GETTER])
    return {"rate": answer["requests"] / answer["seconds"], "errors": answer["refused"] + answer["broken"],
            **{name: answer[name] for name in ("p50_ms", "p99_ms", "p999_ms")}}


def one_round(stack, load, seconds):
    alone = gets(stack, seconds)
    loading = Loading(stack, load, seconds + 3)
    time.sleep(2)  # those that were begun before another tenant was seen come to their end
    beside = gets(stack, seconds)
    loading.join()
    done = loading.answer
    return {"alone_rate": alone["rate"], "alone_p99_ms": alone["p99_ms"], **beside,
            "loads": (done["requests"] - done["refused"]) / done["seconds"], "loads_refused": done["refused"] / done["seconds"]}


def run(stack, options):
    """Of each load, medians of the rounds: of the gets alone and beside it, and how much of it was done and refused a second."""
    out = {}
    for load in LOADS:
        rounds = []
        for n in range(options.rounds):
            rounds.append(one_round(stack, load, options.seconds))
            print(f"  neighbours, {load}, round {n + 1}: " + ", ".join(f"{name} {value:,.1f}" for name, value in rounds[-1].items()),
                  flush=True)
        out[load] = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        out[load]["errors"] = sum(each["errors"] for each in rounds)
    return out
