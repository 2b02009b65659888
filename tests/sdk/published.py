"""
Where the tests get published libraries from: npm and PyPI through their own clients, at pinned versions with hashes.
What cannot be had is skipped with the reason, or fails when CLIENTELE_NEED_SDK is set.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stack import ROOT

HERE = Path(__file__).resolve().parent
REQUIREMENTS = (HERE / "requirements.txt").read_text()
PYTHON_LIBRARIES = re.findall(r"^commet-sdk==(\S+)", REQUIREMENTS, re.M)
# Python's libraries are kept between runs; whoever owns the clone may delete them.
KEPT = ROOT / "var" / "check" / "sdk"


def missing(reason):
    if os.environ.get("CLIENTELE_NEED_SDK"):
        pytest.fail(reason)
    pytest.skip(reason)


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            missing(f"{program} is not installed")


def node_libraries(folder):
    """Installs the libraries of package.json there; the source folder stays as it is."""
    need("node", "npm")
    for name in ("package.json", "package-lock.json", ".npmrc", "sdk.test.mjs"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(["npm", "ci"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode != 0:
        missing(f"npm ci failed: {done.stdout[-2000:]}")
    return folder


def node_environment():
    """What Node needs for the published libraries: they expect `crypto` to be global, which Node 18 has behind a flag."""
    major = int(subprocess.run(["node", "--version"], text=True, stdout=subprocess.PIPE, check=True).stdout[1:].split(".")[0])
    return {"NODE_OPTIONS": "--experimental-global-webcrypto" if major < 20 else ""}


def python_library(version):
    """The folder for PYTHONPATH with that commet-sdk and what it needs, made once."""
    wanted = "".join(line for line in REQUIREMENTS.splitlines(True)
                     if not line.startswith(("#", "commet-sdk")) or line.startswith(f"commet-sdk=={version} "))
    folder = KEPT / f"commet-sdk-{version}"
    proof = folder / "requirements.txt"
    if proof.exists() and proof.read_text() == wanted:
        return folder
    KEPT.mkdir(parents=True, exist_ok=True)
    # Made under another name: half an installation, or one of a run beside this one, is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=KEPT) as parent:
        new = Path(parent, "new")
        (Path(parent) / "requirements.txt").write_text(wanted)
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:",
                               "--target", new, "-r", Path(parent, "requirements.txt")],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode != 0:
            missing(f"pip could not install commet-sdk {version}: {done.stdout[-2000:]}")
        (new / "requirements.txt").write_text(wanted)
        if os.getuid() == 0:
            owner = ROOT.stat()
            for path in [KEPT, new, *new.rglob("*")]:
                os.chown(path, owner.st_uid, owner.st_gid)
        if folder.exists():
            folder.rename(Path(parent, "old"))
        new.rename(folder)
    return folder


def python_environment(version, **more):
    """The environment of a program that uses that library."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SSL_CERT"))}
    return {**kept, "PYTHONPATH": str(python_library(version)), "PYTHONDONTWRITEBYTECODE": "1", **more}
