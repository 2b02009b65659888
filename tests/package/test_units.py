"""The systemd units: valid, and closed as far as the issue's figures ask."""

import os
import shutil
import subprocess

import pytest

from stack import ROOT, binary

UNITS = ROOT / "conf" / "systemd"
TOOL = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(TOOL is None, reason="systemd-analyze is not installed")


@pytest.fixture
def tree(tmp_path):
    """A root folder with the units as `make install` makes them."""
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    for name in ("clientele.service", "clientele.socket"):
        text = (UNITS / f"{name}.in").read_text()
        (folder / name).write_text(text.replace("@sbindir@", str(binary().parent)).replace("@WEB_GROUP@", "www-data"))
    return tmp_path


def analyze(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def exposure(tree, threshold):
    """systemd-analyze fails above the threshold, which is in tenths."""
    done = analyze("security", "--offline=true", "--no-pager", f"--root={tree}", f"--threshold={threshold}", "clientele.service")
    assert "Overall exposure level" in done.stdout, done.stdout
    return done


def test_over_unix_sockets_the_exposure_is_at_most_0_6(tree):
    done = exposure(tree, 6)
    assert done.returncode == 0, done.stdout
    for setting in ("PrivateNetwork=", "User=/DynamicUser=", "CapabilityBoundingSet=~CAP_SYS_ADMIN", "SystemCallFilter=~@privileged"):
        assert any(line.startswith("✓") and setting in line for line in done.stdout.splitlines()), setting


def test_over_tcp_the_exposure_is_at_most_1_2(tree):
    shutil.copy(UNITS / "clientele-tcp.conf", tree)
    folder = tree / "etc/systemd/system/clientele.service.d"
    folder.mkdir()
    shutil.move(tree / "clientele-tcp.conf", folder / "tcp.conf")
    done = exposure(tree, 12)
    assert done.returncode == 0, done.stdout
    assert "Service has access to the host's network" in done.stdout, "the drop-in was not read"


def test_the_units_are_valid(tree):
    for name in ("clientele.service", "clientele.socket"):
        done = analyze("verify", "--man=no", "--recursive-errors=one", tree / "etc/systemd/system" / name)
        about_us = [line for line in done.stdout.splitlines() if "clientele" in line]
        assert about_us == [], done.stdout


def test_user_and_folder_are_valid(tmp_path):
    """In a root of its own, so that this machine keeps its users."""
    (tmp_path / "etc").mkdir()
    for tool, name in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
        folder = tmp_path / "usr/lib" / name
        folder.mkdir(parents=True)
        shutil.copy(UNITS / name / "clientele.conf", folder)
    done = subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout + done.stderr != "", done
    entry = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("clientele:")][0].split(":")
    assert entry[6].endswith("/nologin") and int(entry[2]) < 1000
    if os.getuid() == 0:
        done = subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", "--create"], capture_output=True, text=True)
        status = (tmp_path / "run/clientele").stat()
        assert (status.st_uid, status.st_mode & 0o777) == (int(entry[2]), 0o755), done
