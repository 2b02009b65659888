"""
What every test may ask for. One cluster and one service for the whole session; tests that need a supervisor of
their own (tests/pool) take `new_database` and `new_service`.
"""

import itertools
import os

import pytest

from stack import Cluster, Front, Fronts, Place, Service


def pytest_runtest_logreport(report):
    """scripts/check wants to know which tests failed, to run them once more."""
    if report.failed and (path := os.environ.get("CLIENTELE_TEST_FAILED")):
        with open(path, "a", encoding="utf-8") as file:
            print(report.nodeid, file=file)


@pytest.fixture(scope="session")
def place():
    place = Place()
    yield place
    place.remove()


@pytest.fixture(scope="session")
def cluster(place):
    cluster = Cluster(place)
    yield cluster
    cluster.stop("immediate")


@pytest.fixture(scope="session")
def database(cluster):
    """The database behind `service`."""
    return cluster.database("clientele")


@pytest.fixture(scope="session")
def service(database):
    """The supervisor that both web servers talk to. Do not stop it: the session needs it."""
    service = Service(database, workers=3).start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def fronts(service):
    """Web servers by name."""
    fronts = Fronts(lambda kind: service)
    yield fronts
    fronts.stop()


@pytest.fixture(scope="session", params=Front.KINDS)
def front(request):
    """The name of the web server that this test goes through; every test that asks for it runs with each."""
    return request.param


@pytest.fixture(scope="session")
def url(front, fronts):
    return fronts[front].url


@pytest.fixture(scope="session")
def db(database):
    """A superuser's connection: sees all environments, each statement commits."""
    connection = database.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def workers(service):
    """A function: the pids of the service's workers."""
    return service.workers


@pytest.fixture(autouse=True)
def service_lives(request):
    """No test may kill the shared supervisor or one of its workers, whatever it sends."""
    if "service" not in request.fixturenames:
        yield
        return
    service = request.getfixturevalue("service")
    before = service.workers()
    yield
    assert not service.ended(), f"the supervisor ended:\n{service.log()[-4000:]}"
    assert service.workers() == before, f"a worker died:\n{service.log()[-4000:]}"


_numbers = itertools.count(1)


@pytest.fixture
def new_database(cluster):
    """A function: a database of this test's own."""
    return lambda **options: cluster.database(f"test{next(_numbers)}", **options)


@pytest.fixture
def new_service(new_database):
    """A function: a supervisor of this test's own (not started), on a database of its own unless one is given."""
    made = []

    def new(database=None, **options):
        made.append(Service(database or new_database(), **options))
        return made[-1]

    yield new
    for service in made:
        service.stop()


@pytest.fixture
def new_front(place):
    """A function: a web server of this test's own before the given service."""
    made = []

    def new(kind, service, **options):
        made.append(Front(place, kind, service.socket, **options))
        return made[-1]

    yield new
    for front in made:
        front.stop()
