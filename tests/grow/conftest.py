"""The modules that these tests share with tests/api; and how many tests ran in the grown tree."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "api"))

# Its tests run in the grown tree.
collect_ignore = ["gadget"]


def pytest_terminal_summary(terminalreporter):
    import test_grow
    if test_grow.COUNTS:
        told = ", ".join(f"{count} of {name}" for name, count in test_grow.COUNTS.items())
        terminalreporter.write_line(f"in the grown tree: {told}")
