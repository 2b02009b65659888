"""
The published Python libraries, unmodified, against the service: python_client.py for each library of
requirements.txt. Each of its tests is one of ours. Needs pip, and PyPI at the first run.
"""

import json
import re
import subprocess
import sys

import pytest

from published import HERE, PYTHON_LIBRARIES, python_environment
from stack import PATIENCE

TESTS = re.findall(r'^@test\("(.*)"\)', (HERE / "python_client.py").read_text(), re.M)


@pytest.fixture(scope="session")
def outcomes(new_keys, fronts):
    """A function: the outcome of each test with one library, {name: (passed, text)}. Each library runs once."""
    kept = {}

    def run(library):
        if library not in kept:
            env = python_environment(library, CLIENTELE_URL=fronts["nginx"].url, **new_keys(f"Python {library}"))
            done = subprocess.run([sys.executable, HERE / "python_client.py"], env=env, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=120 * PATIENCE)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
            kept[library] = {line["name"]: (line["passed"], line["text"]) for line in lines[1:]}
            # Python could find the library of the system instead.
            kept[library][None] = (lines and lines[0]["library"] == library, done.stdout)
        return kept[library]

    return run


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("library", PYTHON_LIBRARIES)
def test_the_library_works_unmodified(outcomes, library, name):
    outcome = outcomes(library)
    right, output = outcome[None]
    assert right and name in outcome, f"it did not run:\n{output[-3000:]}"
    passed, text = outcome[name]
    assert passed, text[-3000:]


def test_there_are_tests_and_the_libraries_of_the_promise():
    assert len(TESTS) == len(set(TESTS)) >= 12
    assert {"1.10.0", "9.7.0"} <= set(PYTHON_LIBRARIES)
