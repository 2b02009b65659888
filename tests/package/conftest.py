"""What the tests of the package share: the package, and a Debian to install it into."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from machine import copy_source, make_debian, run, tools


@pytest.fixture(scope="session")
def folder():
    """Where apt's own user can read."""
    folder = Path(tempfile.mkdtemp(prefix="clientele-package.", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def package(folder):
    """The .deb."""
    tools("dpkg-buildpackage", "dh")
    source = folder / "source" / "clientele"
    copy_source(source)
    env = {**os.environ, "DEB_BUILD_OPTIONS": "parallel=2 noautodbgsym nocheck"}
    run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source, env=env)
    (deb, ) = source.parent.glob("clientele_*.deb")
    return deb


@pytest.fixture(scope="session")
def bare_debian(folder):
    """A small Debian in a folder. It is for copies."""
    root = folder / "bare"
    make_debian(root)
    return root
