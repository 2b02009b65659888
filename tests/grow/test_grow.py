"""
A second resource costs what it should: one folder, one migration, one file of statements, one of the API's description,
one line; and its tests. The made-up one in gadget/ is laid over a copy of this repository (tree.py), which is then built and
tested as its developer would do it. HACKING.md's recipe is that source.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from helpers import Client, replayed
from stack import ROOT, Cluster, Front, Place, Service
from tree import GADGET, RESOURCES, Tree, own_files

# Those that look at tables, names and files of a resource.
LINTS = ("banned", "layers", "text", "resources", "descriptors", "openapi", "statements", "errors")
# Of the old resources nothing changes: what they answer, byte by byte, and in which shape.
UNTOUCHED = ("tests/api/customer/test_golden.py", "tests/api/customer/test_shapes.py", "tests/api/api_key", "tests/api/plan/test_plan_golden.py",
             "tests/api/plan_group/test_group_golden.py", "tests/api/subscription/test_subscription_golden.py",
             "tests/api/invoice/test_invoice_golden.py")


@pytest.fixture(scope="session")
def tree():
    with tempfile.TemporaryDirectory(prefix="clientele-grow.", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        tree = Tree(folder)
        tree.new = tree.grow()
        yield tree


@pytest.fixture(scope="session")
def binary(tree):
    return tree.build("first")


def test_nothing_else_is_changed(tree):
    here, there = set(own_files(ROOT)), set(own_files(tree.folder))
    assert there - here == set(tree.new) and here <= there
    changed = {name for name in here if (ROOT / name).read_bytes() != (tree.folder / name).read_bytes()}
    assert changed == {RESOURCES, "doc/openapi.json"}  # the latter is made of the files in doc/openapi
    places = {re.sub(r"(src/resource/gadget|tests/api/gadget)/.*", r"\1/", name) for name in tree.new}
    (migration,) = [name for name in places if name.startswith("sql/migrate/")]
    assert places - {migration} == {"src/resource/gadget/", "sql/query/gadget.sql", "doc/openapi/gadget.yaml", "tests/api/gadget/",
                                    "tests/app/statements/gadget.def"}


@pytest.mark.parametrize("name", LINTS)
def test_lint_finds_nothing(tree, name):
    tree.run("bash", f"tests/lint/{name}.sh", env={"PYTHON": sys.executable})


# ---------------------------------------------------------------- the tests of that tree


def run_tests(tree, binary, name, *paths):
    """The names of the tests that pytest ran there, with their modules; all must have passed."""
    report = tree.folder / "var" / f"{name}.xml"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--tb=short", "-c", "tests/pytest.ini", "--rootdir", "tests", f"--junitxml={report}",
                           *paths], cwd=tree.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
                          env={**os.environ, "CLIENTELE_BIN": str(binary), "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stdout[-20000:]
    cases = [case for case in xml.parse(report).getroot().iter("testcase")]
    assert cases and not any(len(case) for case in cases), "a test was skipped or failed"
    COUNTS[name] = len(cases)
    return [(case.get("classname"), case.get("name").split("[")[0]) for case in cases]


COUNTS = {}


def test_what_holds_for_every_resource_holds_for_it(tree, binary):
    passed = run_tests(tree, binary, "gadgets", "tests/api/test_resources.py", "tests/api/gadget", "-k", "gadget")
    tests = set(re.findall(r"(?m)^def (test_\w+)", (ROOT / "tests/api/test_resources.py").read_text()))
    assert tests == {test for module, test in passed if "test_resources" in module}, "a generic test left it out"


def test_the_old_resources_do_not_notice(tree, binary):
    before = {name: (ROOT / name).read_bytes() for name in own_files(ROOT) if name.startswith(UNTOUCHED)}
    assert before and all((tree.folder / name).read_bytes() == content for name, content in before.items())
    run_tests(tree, binary, "untouched", *UNTOUCHED, "tests/api/test_openapi.py")


def test_its_table_is_isolated_as_all_are(tree, binary):
    run_tests(tree, binary, "catalogue", "tests/security/test_catalogue.py")


@pytest.fixture
def stack(binary, monkeypatch):
    """(place, cluster) with the first binary."""
    monkeypatch.setenv("CLIENTELE_BIN", str(binary))
    place = Place()
    cluster = Cluster(place)
    yield place, cluster
    cluster.stop("immediate")
    place.remove()


def test_none_of_its_statements_reaches_into_another_environment(tree, binary, stack):
    place, cluster = stack
    tree.run("make", "-s", "tests/app/test_statements", cwd=binary.parent)
    database = cluster.database("statements")
    done = place.run(place.take(binary.parent / "tests/app/test_statements"), check=False, env={
        "CLIENTELE_TEST_SERVE_URL": database.serve_url, "CLIENTELE_TEST_OWNER_URL": database.owner_url, "PGHOST": str(cluster.sockets),
        "PGDATABASE": database.name, "PGUSER": "postgres", "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    assert done.returncode == 0 and "not ok" not in done.stdout and "ok 1" in done.stdout, done.stdout + done.stderr


# ---------------------------------------------------------------- a release that changes a rule


@pytest.fixture
def stricter(tree, binary):
    """(this release, the next one, in which a code has at most 10 characters), as files."""
    now, following = binary.with_name("now"), binary.with_name("next")
    shutil.copy(binary, now)
    header = "src/resource/gadget/gadget.h"
    kept = (tree.folder / header).read_text()
    tree.change(header, "GADGET_CODE_MAX_CHARS = 40", "GADGET_CODE_MAX_CHARS = 10")
    try:
        shutil.copy(tree.build("first"), following)
    finally:
        (tree.folder / header).write_text(kept)
    return now, following


def test_a_repeated_request_is_answered_though_a_release_has_stricter_rules(stack, stricter):
    place, cluster = stack
    database = cluster.database("release")
    key, replies = database.organization("Grow").key("live"), []
    for number, binary in enumerate(stricter):
        service = Service(database)
        service.bin = place.take(binary)
        service.start()
        front = Front(place, Front.KINDS[0], service.socket)
        client = Client(front.url, key)
        # The document that replies are checked against is the one of this tree.
        replies.append([client.post("/gadgets", {"code": letter * 40}, idem=idem, checked=False) for letter, idem in (
            ("x", "before"), ("y", f"of release {number}"))])
        front.stop()
        assert service.stop() == 0
    (first, other), (again, refused) = replies
    assert first.status == other.status == 201 and not replayed(first)
    assert (again.status, again.body) == (201, first.body) and replayed(again)
    assert refused.status == 400 and b"at most 10 characters" in refused.body


# ---------------------------------------------------------------- the recipe


def test_the_recipe_is_this_source():
    """Each block of HACKING.md's recipe stands word for word in the file that is named before it; each file is named."""
    text = (ROOT / "HACKING.md").read_text()
    recipe = re.search(r"(?ms)^## How to add a resource\n(.*?)(?=^## )", text).group(1)
    named = re.findall(r"`tests/grow/gadget/([\w./]+)`", recipe)
    files = {str(path.relative_to(GADGET)) for path in GADGET.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert set(named) == files
    blocks = 0
    for part in re.split(r"(?=`tests/grow/gadget/[\w./]+`)", recipe)[1:]:
        name = re.match(r"`tests/grow/gadget/([\w./]+)`", part).group(1)
        source = (GADGET / name).read_text()
        for block in re.findall(r"(?ms)^```\w*\n(.*?)^```", part):
            blocks += 1
            for piece in block.split("\t...\n"):
                assert piece in source, f"not in {name}:\n{piece}"
    assert blocks > 4
