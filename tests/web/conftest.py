"""
A real service behind nginx with the built pages (web/dist), and Debian's Chromium, which the tests in *.test.mjs
drive. One browser for the session, an organization of its own for each test.
"""

import itertools
import json
import shutil
import subprocess

import pytest

from stack import PATIENCE, ROOT, Front, Service

PASSWORD = "correct horse battery"
DIST = ROOT / "web" / "dist"
ROLES = ("owner", "admin", "member")


@pytest.fixture(scope="session")
def service(database):
    service = Service(database, workers=2, clerk="on").start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def origin(place, service):
    """Where the dashboard is, as a browser that wants secure cookies must call it."""
    assert (DIST / "dashboard" / "index.html").exists(), "the dashboard is not built: make web"
    front = Front(place, "nginx", service.socket)
    shutil.copytree(DIST, front.dir / "web")
    for path in [front.dir / "web", *(front.dir / "web").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield f"http://localhost:{front.port}"
    front.stop()


class Browser:
    """The process with the browser: one line of JSON asks for a test, one line answers what became of it."""

    def __init__(self, origin, log):
        self.log = open(log, "w+")
        self.process = subprocess.Popen(["node", ROOT / "tests" / "web" / "driver.mjs", origin, str(PATIENCE)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def run(self, **test):
        print(json.dumps(test), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        self.log.seek(0)
        assert line, f"the browser's process ended:\n{self.log.read()[-4000:]}"
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(scope="session")
def browser(origin, tmp_path_factory):
    browser = Browser(origin, tmp_path_factory.mktemp("web") / "log")
    yield browser
    browser.stop()


numbers = itertools.count(1)


@pytest.fixture
def organization(database, name):
    """
    A new one with an owner and a live key, as the tests of the browser get it; and what the name of the test says
    besides: a member, a sandbox key, another organization with an owner of its own, who is nobody here.
    """
    organization = database.organization(f"Acme {next(numbers)}")
    people = {}
    for role in [role for role in ROLES if role == "owner" or role in name]:
        people[role] = f"{role}{next(numbers)}@example.com"
        database.clientele("user", "create", people[role], role, "--org", organization.name, input=PASSWORD + "\n")
    other = database.organization(f"Globex {next(numbers)}") if "another_organization" in name else None
    if other:
        people["stranger"] = f"stranger{next(numbers)}@example.com"
        database.clientele("user", "create", people["stranger"], "owner", "--org", other.name, input=PASSWORD + "\n")
    keys = {env: organization.key(env) for env in ("live", "sandbox") if env == "live" or env in name}
    return {"name": organization.name, "other": other and other.name, "people": people, "password": PASSWORD, "keys": keys}
