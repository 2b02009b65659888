"""
The exact bytes of one answer of each kind, for each row of the table of versions, as they are kept in a folder
golden/<version>.txt beside the test of a resource.

Ids and times are replaced by others of the same shape: ids by their order of appearance. After a change that is meant,
the files are written anew by

    CLIENTELE_BIN=path/to/clientele python3 -m pytest -c tests/pytest.ini --rootdir tests FILE --update-golden

and the difference is read against the contract before it is committed.
"""

import difflib
import json
import re

from helpers import LEGACY, VERSIONS, dumps

SHOWN = ("Location", "Clientele-Result", "Clientele-Warning", "Clientele-Ignored", "Preference-Applied", "Deprecation", "Sunset", "Link")
ID = re.compile(r"\b([a-z]{3})_([0-9A-Za-z]{22})\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Session:
    """What was asked and answered, as the file has it."""

    def __init__(self, client, version):
        self.client, self.version, self.text, self.ids = client, version, "", {}

    def fixed(self, text):
        def place(match):
            number = self.ids.setdefault(match.group(2), len(self.ids) + 1)
            return f"{match.group(1)}_{number:022d}"

        return TIME.sub("2026-01-02T03:04:05.678Z", ID.sub(place, text))

    def call(self, title, method, path, body=None):
        sent = "" if body is None else dumps(body).decode() + "\n"
        reply = self.client.call(method, path, body)
        headers = "".join(f"{name}: {value}\n" for name in SHOWN for value in reply.all(name))
        header = "" if self.version == LEGACY else f"Commet-Version: {self.version}\n"
        self.text += self.fixed(
            f"# {title}\n{method} {reply.path}\n{header}{sent}\n{reply.status}\n{headers}{reply.body.decode()}\n\n\n")
        return reply


def compare(folder, version, text, update):
    """The text with the one that is kept; or keeps it."""
    file = folder / f"{version}.txt"
    if update:
        folder.mkdir(exist_ok=True)
        file.write_text(text)
    kept = file.read_text() if file.exists() else ""
    difference = "".join(difflib.unified_diff(kept.splitlines(True), text.splitlines(True), file.name, "answered"))
    assert not difference, f"\n{difference}"


def check_files(folder):
    """There is one for each version, and one that was edited by hand is still what it says."""
    assert {file.stem for file in folder.iterdir()} == set(VERSIONS)
    for file in folder.iterdir():
        for part in file.read_text().split("\n\n\n")[:-1]:
            assert isinstance(json.loads(part.splitlines()[-1]), dict | None)
