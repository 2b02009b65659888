"""
A tree with one resource more: the files of the repository, those in gadget/ at the places where they stand there, the
next number for its migration, and its line in src/app/resources.c. Nothing else is changed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stack import ROOT

GADGET = Path(__file__).resolve().parent / "gadget"
RESOURCES = "src/app/resources.c"
LINE = "\tRESOURCE(gadget) \\\n"
BEFORE = "\tRESOURCE(openapi) \\\n"


def own_files(folder):
    """What is in the repository, or would be."""
    done = subprocess.run(["bash", "-c", ". tests/lint/list.inc && own_files ."], cwd=folder, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


class Tree:
    """Files in a folder that anybody can read; what is run in it has failed when its status is not 0."""

    def __init__(self, folder):
        self.folder = Path(folder)
        for name in own_files(ROOT):
            self.put(ROOT / name, name)

    def put(self, source, name):
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def change(self, name, before, after):
        path = self.folder / name
        text = path.read_text()
        assert text.count(before) == 1, f"{name}: {text.count(before)} times {before!r}"
        path.write_text(text.replace(before, after))

    def grow(self):
        """Adds the resource; returns the names of the files that are new."""
        number = 1 + max(int(path.name[:4]) for path in (self.folder / "sql/migrate").glob("[0-9]*.sql"))
        new = []
        for source in sorted(path for path in GADGET.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            name = str(source.relative_to(GADGET)).replace("NNNN", f"{number:04d}")
            assert not (self.folder / name).exists(), f"{name} is there already"
            self.put(source, name)
            new.append(name)
        self.change(RESOURCES, BEFORE, LINE + BEFORE)
        self.run(sys.executable, "doc/openapi.py")
        return new

    def build(self, name):
        """Builds it below var/NAME, fast rather than small; returns the binary."""
        build = self.folder / "var" / name
        build.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "configure").exists():
            self.run("autoreconf", "-fi")
        if not (build / "Makefile").exists():
            self.run(self.folder / "configure", "-q", "--enable-werror", "--sysconfdir=/nonexistent", "CFLAGS=-O0", cwd=build)
        self.run("make", "-s", f"-j{os.cpu_count()}", cwd=build)
        return build / "clientele"

    def run(self, *command, cwd=None, env=None, timeout=600):
        done = subprocess.run([str(part) for part in command], cwd=cwd or self.folder, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
        assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-20000:]}"
        return done.stdout
