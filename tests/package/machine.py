"""A Debian of its own in a folder, and booted in a container."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stack import ROOT, wait_until

SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
NOT_SOURCE = shutil.ignore_patterns(".git", "var", "build*", "autom4te.cache", "aclocal.m4", "configure", "config.h.in", "Makefile.in",
                                    "node_modules", "__pycache__", ".pytest_cache", "*.o", "*~")


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
    """As a fresh checkout has it, also of one that was built in."""
    shutil.copytree(ROOT, target, ignore=NOT_SOURCE)
    if (target / "Makefile").exists():
        pytest.skip("the source folder is configured itself")


def make_debian(root):
    """The smallest Debian that can be booted, of this machine's release and archive."""
    tools("mmdebstrap", "systemd-nspawn", "nsenter")
    if os.getuid() != 0:
        pytest.skip("only root may boot a container")
    if run("unshare", "-m", "--propagation", "private", "true", check=False).returncode != 0:
        pytest.skip("no new namespaces can be made here")
    sources = next((name for name in SOURCES if os.path.exists(name)), None)
    release = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text()))
    if sources is None or release.get("ID") != "debian":
        pytest.skip("this is not a Debian whose archive is known")
    if "CLIENTELE_TEST_DEBIAN" in os.environ:  # a folder that this function made earlier, for those who work on this
        run("cp", "-a", os.environ["CLIENTELE_TEST_DEBIAN"], root)
        return
    done = run("mmdebstrap", "--variant=minbase", "--skip=cleanup/apt", "--include=systemd,systemd-sysv,curl",
               release["VERSION_CODENAME"], root, sources, check=False)
    if done.returncode != 0:
        pytest.skip(f"no Debian could be fetched: {done.stdout[-200:]}")


def run_in(root, *command):
    """A command in that Debian while it is not booted, with this machine's network."""
    return run("systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "env", "DEBIAN_FRONTEND=noninteractive", *command)


def apt_install(root, *packages):
    """Installs them before that Debian is booted, so nothing may be started."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    run_in(root, "apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
    policy.unlink()


class Machine:
    """A booted Debian; commands run in it as root. It has no network but its own."""

    def __init__(self, root, log):
        self.root = root
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--private-network",
                                             f"--machine=clientele{os.getpid()}", "--boot"],
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

    def run(self, script, check=True):
        return run("nsenter", "-t", self.leader, "-a", "--wdns=/", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                   "DEBIAN_FRONTEND=noninteractive", "bash", "-c", script, check=check)

    def follow_readme(self):
        """Sets Clientele up word for word as README.Debian says; returns the API key and the output of the first request."""
        *setup, last = readme_commands()
        output = self.run("set -e\n" + "\n".join(setup)).stdout
        key = re.search(r"^ck_live_\S+$", output, re.M).group(0)
        return key, self.run(last.replace("ck_live_...", key)).stdout

    def end(self):
        self.run("systemctl poweroff --force --force", check=False)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def readme_commands():
    """The indented lines of README.Debian up to the first request, joined where they go on."""
    text = (ROOT / "debian/README.Debian").read_text().split("Good to know")[0]
    return "\n".join(line[5:] for line in text.splitlines() if line.startswith("     ")).replace("\\\n", " ").splitlines()
