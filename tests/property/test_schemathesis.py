"""
Schemathesis makes requests of the description of the API, valid and broken ones and chains of them, and looks whether
the service answers as described. What it must be told and the few checks that are off: hooks.py and schemathesis.toml.

It is installed from PyPI at pinned versions with hashes, below var/check; without PyPI these tests are skipped. To see
more, give it more examples: CLIENTELE_TEST_EXAMPLES=1000.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import document
from stack import PATIENCE, ROOT

HERE = Path(__file__).resolve().parent
KEPT = ROOT / "var" / "check" / "schemathesis"
# Parameters of all operations, which mean the same in all versions.
HEADERS = ("Version", "RequestId", "Traceparent", "Prefer", "IdempotencyKey")
EXAMPLES = int(os.environ.get("CLIENTELE_TEST_EXAMPLES", "40"))


@pytest.fixture(scope="session")
def schemathesis():
    """The folder that it is installed in, made once."""
    wanted = (HERE / "requirements.txt").read_text()
    proof = KEPT / "requirements.txt"
    if proof.exists() and proof.read_text() == wanted:
        return KEPT
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    # Made under another name: half an installation is never taken for a whole one.
    new = Path(tempfile.mkdtemp(dir=KEPT.parent))
    try:
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:",
                               "--target", new, "-r", HERE / "requirements.txt"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode != 0:
            pytest.skip(f"pip could not install schemathesis: {done.stdout[-1000:]}")
        (new / "requirements.txt").write_text(wanted)
        new.chmod(0o755)
        if os.getuid() == 0:
            owner = ROOT.stat()
            for path in [new, *new.rglob("*")]:
                os.chown(path, owner.st_uid, owner.st_gid)
        shutil.rmtree(KEPT, ignore_errors=True)
        new.rename(KEPT)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return KEPT


@pytest.fixture
def run(schemathesis, database, fronts, tmp_path):
    """A function: runs it as a client of that version, with these arguments; fails with what it found."""

    def users(version):
        """Three that must not see each other's objects; the first one makes the requests."""
        one, two = (database.organization(f"{name} {tmp_path.name} {version}") for name in ("Property", "Other"))
        for organization in (one, two):
            organization.pin("none" if version == "legacy" else version)
        keys = {"live": one.key("live"), "sandbox": one.key("sandbox"), "other": two.key("live")}
        return {"auth": [{"name": name, "fixedHeaders": [{"name": "x-api-key", "value": key}]} for name, key in keys.items()]}

    def described(version, spellings, headers):
        made = copy.deepcopy(document.at_version(version))
        for item in made["paths"].values():
            for place in [item, *(item[method] for method in document.METHODS if method in item)]:
                place["parameters"] = [p for p in place.get("parameters", [])
                                       if headers or p.get("$ref", "").split("/")[-1] not in HEADERS]
        if spellings == 1:
            # Coverage goes through each member of a plain object, but not through those beside an anyOf.
            email = "email" if "email" in made["components"]["schemas"]["Customer"]["properties"] else "billingEmail"
            for name in ("CustomerCreate", "CustomerUpdate"):
                schema = made["components"]["schemas"][name]
                for other in {"id", "email", "billingEmail"} - {email}:
                    del schema["properties"][other]
                if schema.pop("anyOf", None):
                    schema["required"] = [email]
                    schema["properties"][email] = {"type": "string", "minLength": 1, "allOf": [schema["properties"][email]]}
        return made

    def run(version, *arguments, spellings=2, headers=True):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "users.json").write_text(json.dumps(users(version)))
        (folder / "openapi.json").write_text(json.dumps(described(version, spellings, headers)))
        env = {**os.environ, "PYTHONPATH": str(schemathesis), "PYTHONDONTWRITEBYTECODE": "1",
               "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "CLIENTELE_TEST_VERSION": version,
               "CLIENTELE_TEST_USERS": str(folder / "users.json")}
        done = subprocess.run([sys.executable, schemathesis / "bin" / "st", "--no-color",
                               "--config-file", HERE / "schemathesis.toml", "run", "openapi.json",
                               "--url", fronts["nginx"].url + ("/api" if version == "legacy" else "/api/v1"), *arguments],
                              cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=600 * PATIENCE)
        assert done.returncode == 0, done.stdout
        assert "No issues found" in done.stdout, done.stdout
        return done.stdout

    return run


def test_each_rule_of_the_current_version(run):
    run(document.versions()[-1], "--phases=examples,coverage", spellings=1)


def test_random_requests_of_the_current_version(run):
    run(document.versions()[-1], "--phases=fuzzing", f"--max-examples={EXAMPLES}")


def test_chains_of_requests(run):
    """By the links of the document, and those that schemathesis finds itself."""
    # A customer that was made must be there: schemathesis judges that only where the link gives all parameters.
    run(document.versions()[-1], "--phases=stateful", f"--max-examples={EXAMPLES}", "--max-time=20", headers=False)


# One of each era: the unversioned paths, the first API keys, the last envelopes. Their clients name no version: the oldest
# ones do not know the header, and for the others their organization's pin is as good.
# All at once: each of them keeps one processor busy.
def test_requests_of_older_versions(run):
    def one(version):
        run(version, "--phases=coverage,fuzzing", f"--max-examples={EXAMPLES // 8}", spellings=1, headers=False)

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, ("legacy", "2026-05-25", "2026-07-11")))
