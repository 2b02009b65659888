"""A booted Debian in a folder, and a shell in it that stays, as a reader's does."""

import itertools
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from stack import ROOT, wait_until

UNIT = "clientele.service"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = ("env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")


def tools(*names):
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def run(*command, check=True, **more):
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **{"timeout": 300, **more})
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}"
    return done


def copy_source(target):
    """What a fresh clone has: nothing that was built."""
    for name in run("bash", "-c", ". tests/lint/list.inc; own_files .", cwd=ROOT).stdout.splitlines():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)


def in_folder(root, script, check=True):
    """Runs it in a Debian that is not booted; it has the network of this machine."""
    return run("systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", *ENVIRONMENT, "bash", "-c", script, check=check,
               timeout=900)


class Machine:
    """A booted Debian without a network; commands run in it as root."""

    numbers = itertools.count(1)

    def __init__(self, root, log):
        self.root = root
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--private-network",
                                             f"--machine=clientele{os.getpid()}-{next(self.numbers)}", "--boot"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        try:
            wait_until(self.is_up, 120, "its boot")
        except BaseException:
            print(self.run("systemctl is-system-running; systemctl list-jobs; systemctl --failed", check=False).stdout)
            self.process.terminate()
            self.process.wait()
            raise

    def is_up(self):
        """Its first process has a parent for a moment, so it is looked for each time."""
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not found:
            return False
        self.leader = found[0]
        return self.run("systemctl is-system-running", check=False).stdout.split()[-1:] in (["running"], ["degraded"])

    def enter(self, *command):
        """The command line that runs this command in it."""
        return ["nsenter", "-t", self.leader, "-a", "--wdns=/root", *ENVIRONMENT, *command]

    def run(self, script, check=True):
        return run(*self.enter("bash", "-c", script), check=check)

    def show(self, name, unit=UNIT):
        return self.run(f"systemctl show -P {name} {unit}").stdout.strip()

    def journal(self):
        return self.run(f"journalctl -u {UNIT} --no-pager -o cat", check=False).stdout

    def get(self, path="/api/v1/customers", key=""):
        """The status, or why there is none."""
        done = self.run(f"curl -sS -o /dev/null -w '%{{http_code}}' http://localhost:8080{path} -H 'x-api-key: {key}'", check=False)
        return done.stdout

    def end(self):
        self.run("systemctl poweroff --force --force", check=False)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Shell:
    """What is pasted into it one after the other shares its folder and its variables."""

    END = "-- that was all --"

    def __init__(self, machine):
        self.file = machine.root / "root/.pasted"
        self.process = subprocess.Popen(machine.enter("bash"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.paste("trap 'failed=$?; echo \"[$failed] $BASH_COMMAND\"' ERR")

    def paste(self, text, timeout=600):
        """Its output; fails when one of its commands does, as a reader would stop there."""
        self.file.write_text(text + "\n")
        self.process.stdin.write(f". /root/.pasted </dev/null; echo; echo \"{self.END} ${{failed:-0}}\"; failed=0\n".encode())
        self.process.stdin.flush()
        output, status = self.read(timeout).rsplit(f"\n{self.END} ", 1)
        assert status == "0\n", f"{text}\n---- says\n{output[-6000:]}"
        return output

    def read(self, timeout):
        end, output = time.monotonic() + timeout, b""
        while f"\n{self.END} ".encode() not in output or not output.endswith(b"\n"):
            left = end - time.monotonic()
            assert left > 0, f"nothing more within {timeout} s:\n{output[-6000:].decode(errors='replace')}"
            if select.select([self.process.stdout], [], [], left)[0]:
                more = self.process.stdout.read()
                assert more != b"", f"the shell ended:\n{output[-6000:].decode(errors='replace')}"
                output += more or b""
        return output.decode(errors="replace")

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)
