"""What one tenant's searches cost another tenant's gets: Clientele alone, behind nginx."""

import statistics
import threading
import time

SEARCHING = 16   # clients of the large organization; who is refused asks again at once
GETTING = 1      # of another one
P99_MAX_MS = 30
SEARCHER, GETTER = 0, 1  # organizations


class Searching(threading.Thread):
    def __init__(self, stack, seconds):
        super().__init__()
        self.stack, self.seconds, self.answer = stack, seconds, None
        self.start()

    def run(self):
        self.answer = self.stack.wrk(self.stack.urls["nginx"], "search", SEARCHING, self.seconds, at=[SEARCHER])


def gets(stack, seconds):
    return stack.wrk(stack.urls["nginx"], "get", GETTING, seconds, at=[GETTER])


def run(stack, options):
    """Medians of the rounds: of the gets alone and beside the searches, and how many searches were done and refused a second."""
    rounds = []
    for n in range(options.rounds):
        alone = gets(stack, options.seconds)
        searching = Searching(stack, options.seconds + 3)
        time.sleep(2)  # those that were begun before another tenant was seen come to their end
        beside = gets(stack, options.seconds)
        searching.join()
        searched = searching.answer
        rounds.append({"alone_p99_ms": alone["p99_ms"], "p50_ms": beside["p50_ms"], "p99_ms": beside["p99_ms"],
                       "p999_ms": beside["p999_ms"], "refused": beside["refused"] + beside["broken"],
                       "searches": (searched["requests"] - searched["refused"]) / searched["seconds"],
                       "searches_refused": searched["refused"] / searched["seconds"]})
        print(f"  neighbours, round {n + 1}: " + ", ".join(f"{name} {value:,.1f}" for name, value in rounds[-1].items()), flush=True)
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
