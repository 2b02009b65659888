"""Callers of the API, one for each environment of two organizations, through each web server in turn."""

import pytest

from helpers import Client, uid
from stack import Front


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the kept answers (api/golden) anew")


def pytest_configure(config):
    config.addinivalue_line("markers", "both_fronts: runs through nginx and lighttpd; the others through nginx only")


def pytest_generate_tests(metafunc):
    if "front" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_fronts")
        metafunc.parametrize("front", Front.KINDS if both else Front.KINDS[:1], indirect=True, scope="session")


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
