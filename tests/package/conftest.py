"""The Debian package, and Debians of their own to put it into."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from machine import copy_source, in_folder, run, tools
from stack import ROOT

SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")


@pytest.fixture(scope="session")
def folder():
    """Where apt's own user can read."""
    folder = Path(tempfile.mkdtemp(prefix="clientele-package.", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def web():
    """The dashboard and the documentation, as `make web` built them."""
    assert (ROOT / "web/dist/dashboard/index.html").exists(), "the dashboard is not built: make web"
    return ROOT / "web/dist"


@pytest.fixture(scope="session")
def package(folder, web):
    """The .deb, of a source that has what a tarball has: the dashboard is built."""
    if "CLIENTELE_TEST_DEB" in os.environ:  # made earlier, for those who work on this
        return Path(os.environ["CLIENTELE_TEST_DEB"])
    tools("dpkg-buildpackage", "dh")
    source = folder / "source" / "clientele"
    copy_source(source)
    shutil.copytree(web, source / "web/dist")
    env = {**os.environ, "DEB_BUILD_OPTIONS": "parallel=2 noautodbgsym nocheck"}
    run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source, env=env)
    (deb, ) = source.parent.glob("clientele_*.deb")
    return deb


@pytest.fixture(scope="session")
def bare(folder):
    """A Debian in a folder that can do no more than boot, and install with apt-get while it has a network."""
    tools("mmdebstrap", "systemd-nspawn", "nsenter")
    if os.getuid() != 0:
        pytest.skip("only root may boot a container")
    if run("unshare", "-m", "--propagation", "private", "true", check=False).returncode != 0:
        pytest.skip("no new namespaces can be made here")
    sources = next((name for name in SOURCES if os.path.exists(name)), None)
    release = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text()))
    if sources is None or release.get("ID") != "debian":
        pytest.skip("this is not a Debian whose archive is known")
    root = folder / "bare"
    if "CLIENTELE_TEST_DEBIAN" in os.environ:  # a folder made by an earlier mmdebstrap, for those who work on this
        run("cp", "-a", os.environ["CLIENTELE_TEST_DEBIAN"], root)
    else:
        done = run("mmdebstrap", "--variant=minbase", "--skip=cleanup/apt", "--include=systemd,systemd-sysv",
                   release["VERSION_CODENAME"], root, sources, check=False)
        if done.returncode != 0:
            pytest.skip(f"no Debian could be fetched: {done.stdout[-200:]}")
    (root / "etc/apt/apt.conf.d/90yes").write_text('APT::Get::Assume-Yes "true";\n')  # where a reader answers
    return root


@pytest.fixture(scope="session")
def new_debian(folder, bare):
    """A function: a copy of the bare Debian in which this script was run with a network; clone: where it has the source."""

    def new(name, script, clone=None):
        root = folder / name
        run("cp", "-a", bare, root)
        if clone:
            copy_source(root / clone)
        done = in_folder(root, script, check=False)
        if done.returncode != 0:
            pytest.skip(f"packages could not be fetched: {done.stdout[-200:]}")
        return root

    return new
