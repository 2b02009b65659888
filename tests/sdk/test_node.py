"""
The published Node libraries, unmodified, against the service: sdk.test.mjs for each library of package.json.
Each of its tests is one of ours. Needs node and npm, and npm's registry at the first run; without them the tests
are skipped, or fail when CLIENTELE_NEED_SDK is set.
"""

import json
import os
import re
import subprocess

import pytest

from published import HERE, node_environment
from stack import PATIENCE

LIBRARIES = [name.removeprefix("commet-") for name in json.loads((HERE / "package.json").read_text())["dependencies"]]
TESTS = re.findall(r'^test\("(.*)", async', (HERE / "sdk.test.mjs").read_text(), re.M)


@pytest.fixture(scope="session")
def outcomes(libraries, new_keys, fronts):
    """A function: the outcome of each test with one library, {name: (passed, text)}. Each library runs once."""
    kept = {}

    def run(library):
        if library not in kept:
            env = {**os.environ, **node_environment(), **new_keys(f"Node {library}"), "CLIENTELE_URL": fronts["nginx"].url,
                   "SDK": library, "NODE_ENV": "test"}
            done = subprocess.run(["node", "--test-reporter=tap", "sdk.test.mjs"], cwd=libraries, env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120 * PATIENCE)
            parts = re.split(r"^(not ok|ok) \d+ - (.*)$", done.stdout, flags=re.M)
            kept[library] = {name: (word == "ok", text) for word, name, text in zip(parts[1::3], parts[2::3], parts[3::3])}
            kept[library][None] = done.stdout
        return kept[library]

    return run


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_library_works_unmodified(outcomes, library, name):
    outcome = outcomes(library)
    assert name in outcome, f"it did not run:\n{outcome[None][-3000:]}"
    passed, text = outcome[name]
    assert passed, text[:3000]


def test_there_are_tests_and_the_two_libraries_of_the_promise():
    assert len(TESTS) >= 12
    assert {"1.10.1", "7.10.0"} <= set(LIBRARIES)


def test_the_lock_names_no_registry():
    assert "resolved" not in (HERE / "package-lock.json").read_text()
