"""
Takes the pictures of doc/screenshots, when asked for by name, and then somebody looks at them: pytest tests/web/screenshots.py
as scripts/check runs pytest, after `make web`. Tests they are not: two browsers never paint the same.
"""

import pytest

from stack import ROOT


@pytest.mark.parametrize("name", ["owner_admin_member_sandbox"])
def test_pages_are_photographed(browser, organization, name):
    result = browser.run(file="screenshots.mjs", name="photograph", organization={**organization, "into": str(ROOT / "doc" / "screenshots")})
    assert result["ok"], result["error"]
