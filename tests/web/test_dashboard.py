"""The tests of *.test.mjs, each in a window of its own. What a browser complains of (its policy, scripts, other hosts) fails any of them."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TESTS = [(file.name, name) for file in sorted(HERE.glob("*.test.mjs"))
         for name in re.findall(r"^export async function (\w+)\(", file.read_text(), re.M)]


@pytest.mark.parametrize("file, name", TESTS, ids=[name for _, name in TESTS])
def test_in_the_browser(browser, organization, file, name):
    result = browser.run(file=file, name=name, organization=organization)
    assert result["ok"], result["error"]
