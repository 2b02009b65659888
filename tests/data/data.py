"""The data of this folder for tests in Python."""

import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

FOLDER = Path(__file__).resolve().parent


def plain(text):
    """Its bytes: %(N:...) is repeated, %XX decoded."""
    return unquote_to_bytes(re.sub(r"%\((\d+):([^)]*)\)", lambda found: found[2] * int(found[1]), text))


def lines(name):
    """Pairs of what stands before the tab and the bytes of the text behind it."""
    for line in (FOLDER / name).read_text("ascii").splitlines():
        if line and not line.startswith("#"):
            head, _, text = line.partition("\t")
            yield head, plain(text)


def documents(kind):
    """{name: (words, text)} of the JSON documents that are to be accepted, or refused."""
    return {words[1]: (words[2:], text) for words, text in ((head.split(), text) for head, text in lines("json.txt")) if words[0] == kind}


def strings():
    """{name: text}"""
    return {name: text.decode() for name, text in lines("strings.txt")}
