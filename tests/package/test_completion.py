"""The completion that `clientele completion` prints, in the shells that it is for."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from stack import PATIENCE, ROOT

SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
# Before the first line: the command itself shows how it was called.
SETUP = {
    "bash": "bind 'set bell-style none' 2>/dev/null; . {script}\n",
    "zsh": "unsetopt zle_bracketed_paste; unset zle_bracketed_paste; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D\n",
}

# What is typed, with \t where the shell completes -> the words that the command gets.
TYPED = {
    "vers\t": ["version"],
    "org cr\tacme": ["org", "create", "acme"],
    "org pin acme n\t": ["org", "pin", "acme", "none"],
    "cust\tcou\t": ["customer", "count"],
    "pl\tcr\tpro --tri\t14 --fr\t": ["plan", "create", "pro", "--trial-days", "14", "--free"],
    "sub\tli\t--sta\tactive": ["subscription", "list", "--state", "active"],
    "inv\tpa\tinv_1": ["invoice", "paid", "inv_1"],
    "conf ngi\t": ["conf", "nginx"],
    "comp\tzs\t": ["completion", "zsh"],
    "help mig\t": ["help", "migrate"],
    "key create --en\tli\t": ["key", "create", "--env", "live"],
    "key create --env live --exp\t9": ["key", "create", "--env", "live", "--expires-days", "9"],
    "key --org acme cr\t": ["key", "--org", "acme", "create"],
    "key rot\tkey_1 --ov\t2h": ["key", "rotate", "key_1", "--overlap", "2h"],
    "key limit key_1 of\t": ["key", "limit", "key_1", "off"],
    "--json org li\t": ["--json", "org", "list"],
    "-c {folder}/clientele.co\tcheck --conn\t": ["-c", "{folder}/clientele.conf", "check", "--connect"],
    "--log-level=debug mig\t--dr\t": ["--log-level=debug", "migrate", "--dry-run"],
    "serve --log-le\tdebug": ["serve", "--log-level=debug"],
    "migrate --log-le\t": ["migrate", "--log-le"],  # keys of the configuration only where they are meant
    "org create vers\t": ["org", "create", "vers"],
}


class Terminal:
    """An interactive shell."""

    def __init__(self, command, setup):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", PS1="", HISTFILE="", LC_ALL="C.UTF-8", INPUTRC="/dev/null")
            os.execvp(command[0], command)
        self.text = ""
        self.send(setup)
        self.send("clientele() { printf '<%s>' \"$@\"; echo ' called'; }\n")
        self.send("clientele ready\n")
        self.read("<ready> called")

    def send(self, text):
        os.write(self.fd, text.encode())

    def read(self, until, seconds=10):
        """All that came, up to a text that is not in the echo of what was typed."""
        end = time.monotonic() + seconds * PATIENCE
        while until not in self.text:
            assert time.monotonic() < end, f"{until!r} is not in {self.text[-2000:]!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
        before, self.text = self.text.split(until, 1)
        return before

    def call(self, typed):
        """The words of the call that this makes."""
        for part in re.split(r"(\t)", typed):
            self.send(part)
            if part == "\t":
                time.sleep(0.15 * PATIENCE)
        self.send("\n")
        return re.findall(r"<([^>]*)>", self.read(" called").splitlines()[-1])

    def end(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def folder(place):
    folder = place.new("completion")
    folder.chmod(0o755)
    for shell, name in (("bash", "clientele"), ("zsh", "_clientele")):
        (folder / name).write_text(place.run(place.bin, "completion", shell).stdout)
    (folder / "clientele.conf").write_text("")
    return folder


@pytest.fixture(scope="module", params=SHELLS)
def terminal(request, folder):
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    terminal = Terminal(SHELLS[shell], SETUP[shell].format(folder=folder, script=folder / "clientele"))
    yield terminal
    terminal.end()


@pytest.mark.parametrize("typed", TYPED)
def test_the_shell_completes_what_is_typed(terminal, folder, typed):
    assert terminal.call("clientele " + typed.format(folder=folder)) == [word.format(folder=folder) for word in TYPED[typed]]


def complete(folder, *words):
    """What bash's function offers for the last of these words."""
    script = f'. {folder}/clientele; compopt() {{ :; }}; COMP_WORDS=(clientele "$@"); COMP_CWORD=$#; _clientele; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return set(subprocess.run(["bash", "-c", script, "bash", *words], text=True, capture_output=True, check=True).stdout.split())


def test_every_command_and_option_is_offered(place, folder):
    table = (ROOT / "src/cli/commands.c").read_text().split("cmd_table[] =")[1]
    named = re.findall(r'^\t\{ "([a-z ]+)", "', table, re.M)
    groups = {name.split()[0] for name in named if " " in name}
    firsts = complete(folder, "")
    assert firsts == complete(folder, "help", "") and {"serve", *groups, "help", "version"} <= firsts
    every = [[first] for first in firsts - groups] + [[group, word] for group in groups for word in complete(folder, group, "")]
    assert sorted(" ".join(words) for words in every) == sorted(named)
    for words in every:
        text = place.run(place.bin, "help", *words).stdout
        options = {f"--{name}" for name in re.findall(r"^(?:  -\w, |      )--([a-z-]+)", text, re.M)}
        assert {name for name in complete(folder, *words, "-") if not name.endswith("=")} == options
    assert "--listen-mode=" in complete(folder, "serve", "-") and "--listen-mode=" not in complete(folder, "org", "list", "-")
    assert complete(folder, "key", "create", "--env", "") == complete(folder, "key", "create", "--env", "=", "") == {"live", "sandbox"}
    assert complete(folder, "key", "create", "--name", "") == set()


def test_the_scripts_are_well_formed(folder):
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-s", "bash", folder / "clientele"], text=True, capture_output=True)
        assert done.returncode == 0, done.stdout
    subprocess.run(["bash", "-n", folder / "clientele"], check=True)
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", folder / "_clientele"], check=True)
