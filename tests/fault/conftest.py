"""A stand for each fault, the limit of the whole run, and the summary at its end."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "api"))  # helpers: what answers must look like

from cutter import Cutter  # noqa: E402
from stack import Cluster  # noqa: E402
from stand import SECONDS, Stand, Trial, report, start_again  # noqa: E402

# A run that hangs is ended, with its processes; longer faults may take longer.
LIMIT_SECONDS = int(max(15 * 60, 50 * SECONDS))


def pytest_sessionstart(session):
    def over(*_):
        pytest.exit(f"the fault suite took longer than {LIMIT_SECONDS} s", 1)

    signal.signal(signal.SIGALRM, over)
    signal.alarm(LIMIT_SECONDS)


def pytest_terminal_summary(terminalreporter):
    for line in report():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def cluster(place):
    """Few connections, so that others can take them all."""
    cluster = Cluster(place, conf="max_connections = 40\n")
    yield cluster
    cluster.stop("immediate")


@pytest.fixture
def stand(cluster, new_database):
    """A function: a Stand on a database of its own."""
    made = []

    def new(database=None, **options):
        if not database:
            start_again(cluster)
        made.append(Stand(database or new_database(), **options))
        return made[-1]

    yield new
    for one in made:
        one.stop()


@pytest.fixture
def proxied(cluster, place, new_database, stand):
    """A function: (stand, cutter) with the cutter between service and database."""
    made = []

    def new(**options):
        start_again(cluster)
        database = new_database()
        made.append(Cutter(place, cluster))
        return stand(database, way=made[-1].url(database), **options), made[-1]

    yield new
    for one in made:
        one.close()


@pytest.fixture
def trial():
    return Trial
