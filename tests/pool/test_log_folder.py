"""A log whose folder is replaced: the sandbox of a running process is bound to the folder, the configuration to its name."""

import os
import shutil

import pytest

from stack import children, open_files, wait_until
from test_admin import AS_ROOT, Admin


@pytest.fixture
def logged(pool, place):
    """A function: an Admin whose log is a file in a folder of its own."""
    def new(**options):
        folder = place.new("l")
        a = Admin(pool(workers=3, log=folder / "service.log", **options))
        a.folder, a.file = folder, folder / "service.log"
        a.service.start()
        wait_until(lambda: a.get("/ready").status == 200 and a.figures()["serving"] == 3, what="ready")
        return a

    return new


def remake(folder):
    owner = folder.stat()
    shutil.rmtree(folder)
    folder.mkdir()
    os.chown(folder, owner.st_uid, owner.st_gid)
    os.chmod(folder, owner.st_mode & 0o777)


def ask_with(a, name):
    assert a.pool.ask(headers=[("x-request-id", name)]).status == 200


def lines_arrive(a):
    """Each worker writes into the file, and nothing is written into one that has no name any more."""
    wait_until(lambda: a.file.exists() and " the log's folder is another one" in a.file.read_text(), what="the new file")
    wait_until(lambda: a.figures()["serving"] == 3 and {w["generation"] for w in a.state()["workers"]} == {a.figures()["generation"]}
               and len(a.state()["workers"]) == 3, what="new workers")
    for number in range(20):
        ask_with(a, f"folder-{number}")
    text = wait_until(lambda: (t := a.file.read_text()).count("request_id=folder-") == 20 and t, what="the lines")
    assert "cannot reopen the log" not in text and "the sandbox is incomplete" not in text
    if AS_ROOT:
        wait_until(lambda: all(str(a.file) in open_files(pid).values() for pid in [a.pid, *children(a.pid)]), what="all processes")


@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_a_folder_that_is_removed_and_made_again(logged, sandbox):
    a = logged(sandbox=sandbox)
    ask_with(a, "before")
    for _ in range(3):  # file systems give the new folder the number of the old one
        remake(a.folder)
        old = a.figures()["generation"]
        assert a.post("/reopen").status == 202
        wait_until(lambda: a.figures()["generation"] == old + 1, what="the replacement")
        lines_arrive(a)


def test_no_request_fails_meanwhile(logged):
    a = logged()
    remake(a.folder)
    answers = []
    a.post("/reopen")
    wait_until(lambda: answers.append(a.pool.ask().status) or (a.figures()["generation"] == 2 and a.figures()["serving"] == 3
                                                              and len(answers) > 100), 20, "new workers")
    assert set(answers) == {200}


def test_a_folder_that_is_missing_is_told_on_standard_error(logged):
    a = logged()
    shutil.move(a.folder, f"{a.folder}.gone")
    a.post("/reopen")
    wait_until(lambda: f"cannot reopen the log, keeping the old file: {a.file}: No such file" in a.log(), what="a word on standard error")
    assert a.figures()["generation"] == 1
    ask_with(a, "meanwhile")
    os.kill(a.worker_pids()[0], 9)  # a worker that starts without the folder has its sandbox all the same
    wait_until(lambda: a.figures()["serving"] == 3, what="another worker")
    old = a.folder.with_name(a.folder.name + ".gone") / "service.log"
    wait_until(lambda: "request_id=meanwhile" in old.read_text(), what="the old file's line")
    assert "the sandbox is incomplete" not in old.read_text()
    owner = old.parent.stat()
    a.folder.mkdir()
    os.chown(a.folder, owner.st_uid, owner.st_gid)
    a.post("/reopen")
    lines_arrive(a)


def test_a_log_behind_a_link_is_opened_again(pool, place):
    real, folder = place.new("l"), place.new("l")
    link, file = folder / "service.log", real / "elsewhere.log"
    link.symlink_to(file)
    a = Admin(pool(workers=2, log=link))
    a.service.start()
    wait_until(lambda: a.get("/ready").status == 200, what="ready")
    file.rename(real / "elsewhere.log.1")
    a.post("/reopen")
    if AS_ROOT:
        wait_until(lambda: all(str(file) in open_files(pid).values() for pid in [a.pid, *children(a.pid)]), what="all processes")
    ask_with(a, "link")
    wait_until(lambda: "request_id=link" in file.read_text(), what="the line")
    assert a.figures()["generation"] == 1
