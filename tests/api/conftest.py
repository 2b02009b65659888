"""Callers of the API, one for each environment of two organizations, through each web server in turn."""

import pytest

from helpers import CURRENT, LEGACY, VERSIONS, Client, uid
from privacy import SENT, logs
from stack import Front, Fronts, Service


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="through nginx alone, and without the search of the logs at the end")
    parser.addoption("--few-versions", action="store_true", help="what runs in each version runs in the oldest, one between and the newest")
    parser.addoption("--update-golden", action="store_true", help="write the kept answers (customer/golden) anew")


def pytest_configure(config):
    config.addinivalue_line("markers", "both_fronts: runs through nginx and lighttpd; the others through nginx only")
    config.addinivalue_line("markers", "all_fronts: runs through Caddy and Apache too")
    config.addinivalue_line("markers", "own_words(front, ...): these answer such requests themselves, in a way no file can change")


def pytest_generate_tests(metafunc):
    if "front" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker
        kinds = Front.KINDS + Front.MORE if marked("all_fronts") else Front.KINDS if marked("both_fronts") else Front.KINDS[:1]
        kinds = kinds[:1] if metafunc.config.getoption("quick") else kinds
        own = marked("own_words")
        kinds = [kind for kind in kinds if not own or kind not in own.args]
        metafunc.parametrize("front", kinds, indirect=True, scope="session")


def pytest_collection_modifyitems(config, items):
    if config.getoption("few_versions"):
        others = set(VERSIONS) - {LEGACY, "2026-06-07", CURRENT}
        left_out = [item for item in items if hasattr(item, "callspec") and others.intersection(
            value for value in item.callspec.params.values() if isinstance(value, str))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def service(database):
    """Behind nginx and Caddy. With all that a log can hold; so is the one behind the others, whose lines are JSON."""
    service = Service(database, workers=3, clerk="on", log_level="debug", slow_request="1ms").start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def json_service(database):
    service = Service(database, workers=3, clerk="on", log_level="debug", slow_request="1ms", log_format="json").start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def fronts(service, json_service):
    fronts = Fronts(lambda kind: json_service if kind in ("lighttpd", "apache") else service)
    yield fronts
    fronts.stop()


@pytest.fixture(scope="session")
def workers(service, json_service):
    return lambda: service.workers() + json_service.workers()


@pytest.fixture(autouse=True)
def service_lives(request):
    """No test may kill a shared supervisor or one of its workers, whatever it sends."""
    shared = [request.getfixturevalue(name) for name in ("service", "json_service") if name in request.fixturenames]
    before = [service.workers() for service in shared]
    yield
    for service, pids in zip(shared, before):
        assert not service.ended(), f"the supervisor ended:\n{service.log()[-4000:]}"
        assert service.workers() == pids, f"a worker died:\n{service.log()[-4000:]}"


@pytest.fixture(scope="session", autouse=True)
def logs_hold_nothing_that_was_sent(place, request):
    """Fails the session when a log of Clientele has a value that any test sent, or an API key."""
    yield
    if request.config.getoption("quick"):
        return
    for path, log in logs(place.dir).items():
        leaks = SENT.leaks(log)
        lines = "".join(f"\n{value[:100]!r} in {line[:400]!r}" for value, line in list(leaks.items())[:20])
        assert not leaks, f"{len(leaks)} values that were sent stand in {path}:{lines}"


@pytest.fixture(scope="session")
def front(request):
    """The name of the web server that this test goes through."""
    return request.param


class Caller:
    """An organization as stack.Organization has it, with a client for each of its environments."""

    def __init__(self, organization, url):
        self.organization, self.name = organization, organization.name
        self.key, self.revoke, self.pin = organization.key, organization.revoke, organization.pin
        self.live = Client(url, self.key("live"))
        self.sandbox = Client(url, self.key("sandbox"))


@pytest.fixture(scope="session")
def organizations(database):
    """Two of them with their keys, shared by all tests: {environment: key} each."""
    found = []
    for name in ("First Ltd", "Second Ltd"):
        organization = database.organization(name)
        found.append({env: organization.key(env) for env in ("live", "sandbox")})
    return found


@pytest.fixture(scope="session")
def live(url, organizations):
    return Client(url, organizations[0]["live"])


@pytest.fixture(scope="session")
def sandbox(url, organizations):
    return Client(url, organizations[0]["sandbox"])


@pytest.fixture(scope="session")
def other_live(url, organizations):
    return Client(url, organizations[1]["live"])


@pytest.fixture(scope="session")
def other_sandbox(url, organizations):
    return Client(url, organizations[1]["sandbox"])


@pytest.fixture(scope="session")
def new_org(database, url):
    """A function: an organization that no other test knows."""
    return lambda: Caller(database.organization(uid("org")), url)


@pytest.fixture
def connect(database):
    """A function: one more superuser's connection, for tests that hold locks."""
    return database.connect
