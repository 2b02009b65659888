"""
The Debian package: built from a copy of the source, judged by lintian, installed into a small Debian of its own that is
booted in a container, set up word for word as README.Debian says, used, upgraded, removed and purged.
"""

import re
import shutil
import threading
import time
from pathlib import Path

import pytest

from blocks import follow_readme
from machine import UNIT, Machine, in_folder, run, tools
from stack import ROOT, binary, wait_until

INSTALLED = Path(__file__).with_name("installed.txt")


def test_lintian_finds_no_error(package):
    tools("lintian")
    done = run("lintian", "--allow-root", "--fail-on", "error,warning", next(package.parent.glob("*.changes")), check=False)
    assert done.returncode == 0, done.stdout


def contents(package):
    lines = [line.split() for line in run("dpkg-deb", "-c", package).stdout.splitlines()]
    return {line[5].removeprefix("./"): (line[0], line[1]) for line in lines if line[5] != "./"}


def test_it_has_what_make_install_installs_and_the_configuration(package):
    found = {name for name in contents(package) if not name.endswith("/") and not name.startswith(("usr/share/lintian/", "usr/share/clientele/web/"))}
    wanted = {line for line in INSTALLED.read_text().split("\n") if line and not line.startswith("#")}
    wanted = {f"usr/{name}" if not name.startswith("lib/systemd") else name for name in wanted}
    wanted = {re.sub(r"(/man/.*)", r"\1.gz", name).replace("/zsh/site-functions/", "/zsh/vendor-completions/") for name in wanted}
    packaging = {f"usr/share/doc/clientele/{name}" for name in ("README.Debian", "changelog.gz", "copyright")}
    assert found == wanted | packaging | {"etc/clientele.conf", "etc/clientele-owner.conf", "etc/logrotate.d/clientele"}
    assert all(owner == "root/root" for _, owner in contents(package).values())


def test_the_packaged_configuration_is_the_sample_but_for_two_keys(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path)
    assert (tmp_path / "usr/share/doc/clientele/README.Debian").exists()
    sample = (ROOT / "conf/clientele.conf").read_text().splitlines()
    changed = [line for line in (tmp_path / "etc/clientele.conf").read_text().splitlines() if line not in sample]
    assert changed == ["admin_listen = unix:/run/clientele/admin.sock", "user = clientele"]
    assert (tmp_path / "etc/clientele-owner.conf").read_text() == (ROOT / "conf/clientele-owner.conf").read_text()
    run(binary(), "-c", tmp_path / "etc/clientele.conf", "--user=", "check")  # its user is made by the package


# ---------------------------------------------------------------- a Debian of its own


@pytest.fixture(scope="session")
def machine(package, new_debian):
    """Installed and set up as README.Debian says; `key` is the API key that this gave."""
    root = new_debian("installed", "apt-get install -q --no-install-recommends nginx-light postgresql curl")
    shutil.copy(package, root / "clientele.deb")
    in_folder(root, "apt-get install -q --no-install-recommends /clientele.deb")
    machine = Machine(root, root.parent / "boot.log")
    try:
        machine.users = machine.run("getent passwd clientele").stdout
        machine.at_first = machine.run(f"systemctl is-enabled {UNIT} clientele.socket; systemctl is-active {UNIT}", check=False).stdout.split()
        machine.key, machine.first = follow_readme(machine)
        yield machine
    finally:
        machine.end()


def test_the_readme_leads_to_the_first_request(machine):
    assert machine.first.startswith("HTTP/1.1 200") or " 200 OK" in machine.first, machine.first + machine.journal()
    assert '"object":"list"' in machine.first
    made = machine.run(f"curl -sS -i http://localhost:8080/api/v1/customers -H 'x-api-key: {machine.key}' -d '{{\"email\":\"a@example.com\"}}'")
    assert " 201 Created" in made.stdout


def test_installing_it_starts_nothing(machine):
    assert machine.at_first == ["disabled", "disabled", "inactive"]


def test_the_configuration_is_for_root_and_the_service(machine):
    assert machine.run("stat -c '%U:%G %a' /etc/clientele.conf").stdout.strip() == "root:clientele 640"
    assert machine.run("stat -c '%U:%G %a' /etc/clientele-owner.conf").stdout.strip() == "root:root 600"
    assert machine.run("stat -c '%U:%G %a' /run/clientele/clientele.sock").stdout.strip() == "root:www-data 660"


def test_it_runs_as_its_own_user_without_any_right(machine):
    pid = machine.show("MainPID")
    status = machine.run(f"cat /proc/{pid}/status").stdout
    uid = machine.users.split(":")[2]
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.M)
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status


def test_it_may_write_nowhere_but_beside_its_socket(machine):
    """As the service's user in the service's own view of the files, but with more system calls than it has."""
    found = machine.run(f"""nsenter -t {machine.show("MainPID")} -m setpriv --reuid=clientele --regid=clientele --clear-groups bash -s <<'LOOK'
find / /run /tmp /var/tmp /dev/shm /dev/mqueue -xdev -writable \\( -type f -o -type d \\) 2>/dev/null
findmnt -rno TARGET,OPTIONS | awk '$2 ~ /^rw/ {{ print $1 }}'
LOOK""", check=False).stdout.splitlines()
    assert "/run/clientele" in found
    allowed = re.compile(r"/(run/clientele|run/host/.*|proc(/.*)?|dev/pts|dev/hugepages)$")
    assert [line for line in found if not allowed.match(line)] == []


def test_the_socket_is_in_the_network_of_the_service(machine):
    """Otherwise it could not tell how full the listen queue is; and there is no other network in it."""
    pid = machine.show("MainPID")
    listening = machine.run(f"nsenter -t {pid} -n cat /proc/net/unix; cat /proc/{pid}/net/unix").stdout
    assert "/run/clientele/clientele.sock" in listening
    assert machine.run(f"cat /proc/{pid}/net/dev").stdout.count(":") == 1
    assert re.search(r"^queue +0 of 1024 wait", machine.run("clientele status").stdout, re.M)


def test_a_reload_loses_nothing_and_keeps_the_process(machine):
    before = machine.show("MainPID")
    ready = machine.journal().count("ready: ")
    machine.run(f"systemctl reload {UNIT}")
    wait_until(lambda: machine.journal().count("ready: ") > ready, 15, "the reload")
    assert machine.show("MainPID") == before and machine.get(key=machine.key) == "200"


def test_an_upgrade_in_place_works_within_the_sandbox(machine):
    before = machine.show("MainPID")
    machine.run("clientele upgrade")
    wait_until(lambda: "took over" in machine.journal(), 15, "the upgrade")
    assert machine.show("MainPID") == before and machine.get(key=machine.key) == "200"


def test_the_watchdog_is_fed(machine):
    """Half the time that systemd allows."""
    assert machine.show("WatchdogUSec") == "30s"
    fed = machine.show("WatchdogTimestampMonotonic")
    wait_until(lambda: machine.show("WatchdogTimestampMonotonic") != fed, 25, "a sign of life")


class Load(threading.Thread):
    """Requests one after the other, until told to stop."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self.machine, self.going, self.answers = machine, True, []

    def run(self):
        while self.going:
            self.answers.append(self.machine.get(key=self.machine.key))

    def __enter__(self):
        self.start()
        wait_until(lambda: len(self.answers) > 3, 10, "the load")
        return self

    def __exit__(self, *_):
        seen = len(self.answers)
        wait_until(lambda: len(self.answers) > seen + 3, 20, "answers after it")
        self.going = False
        self.join(20)


def test_a_restart_and_an_upgrade_of_the_package_lose_no_request(machine):
    before = machine.show("MainPID")
    with Load(machine) as load:
        machine.run(f"systemctl restart {UNIT}")
        between = machine.show("MainPID")
        machine.run("dpkg -i /clientele.deb")
        wait_until(lambda: machine.show("ActiveState") == "active", 20, "the restart")
    assert len({before, between, machine.show("MainPID")}) == 3, "it was not restarted"
    assert set(load.answers) == {"200"}
    assert machine.run("systemctl is-active clientele.socket").stdout.strip() == "active"


@pytest.mark.parametrize("units", [f"clientele.socket {UNIT}", f"{UNIT} clientele.socket", "clientele.socket"])
def test_a_restart_of_socket_and_service_is_no_outage(machine, units):
    """In whichever order they are named, and more than once, as it is a matter of chance when it goes wrong."""
    for _ in range(4):
        before = machine.show("MainPID")
        machine.run(f"systemctl restart {units}")
        wait_until(lambda: machine.show("ActiveState") == "active", 20, "the restart")
        assert machine.run("systemctl is-active clientele.socket").stdout.strip() == "active"
        assert machine.show("MainPID") not in ("0", before) and machine.show("Result") == "success"
        assert machine.get(key=machine.key) == "200"
        machine.run(f"systemctl reset-failed {UNIT} clientele.socket")  # so that these starts are not too many
    assert "already active, refusing" not in machine.run("journalctl -u clientele.socket --no-pager -o cat").stdout


def test_both_are_stopped_by_stopping_the_socket_and_come_together(machine):
    machine.run("systemctl stop clientele.socket")
    assert machine.run(f"systemctl is-active {UNIT} clientele.socket", check=False).stdout.split() == ["inactive", "inactive"]
    machine.run(f"systemctl start {UNIT}")
    assert machine.run(f"systemctl is-active {UNIT} clientele.socket", check=False).stdout.split() == ["active", "active"]
    assert machine.get(key=machine.key) == "200"


def test_the_journal_drops_no_lines(machine):
    assert machine.show("LogRateLimitIntervalUSec") == "0"


def test_a_refused_reload_fails(machine):
    before = machine.show("MainPID")
    machine.run("cp -a /etc/clientele.conf /root/kept; echo 'workers = many' >> /etc/clientele.conf")
    try:
        done = machine.run(f"systemctl reload {UNIT}", check=False)
        assert done.returncode != 0
        assert "workers" in machine.journal() and machine.show("MainPID") == before
        assert machine.show("ActiveState") == "active" and machine.get(key=machine.key) == "200"
        assert "refused   reload, " in machine.run("clientele status").stdout
        machine.run("sed -i '/^workers = many/d; /^database_url/d' /etc/clientele.conf; "
                    "echo 'database_url = dbname=nowhere user=clientele_serve' >> /etc/clientele.conf")
        assert machine.run(f"systemctl reload {UNIT}", check=False).returncode != 0
        assert machine.get(key=machine.key) == "200"
    finally:
        machine.run("cp -a /root/kept /etc/clientele.conf")
    machine.run(f"systemctl reload {UNIT}")
    assert machine.get(key=machine.key) == "200" and machine.show("MainPID") == before


def test_a_killed_supervisor_is_started_again_and_a_killed_worker_does_not_stop_it(machine):
    before = machine.show("MainPID")
    machine.run(f"kill -KILL {before}")
    wait_until(lambda: machine.show("MainPID") not in ("0", before) and machine.show("ActiveState") == "active", 20, "a new start")
    now = machine.show("MainPID")
    machine.run(f"pkill -KILL -P {now} -o")
    wait_until(lambda: machine.get(key=machine.key) == "200", 10, "an answer")
    assert machine.show("MainPID") == now


def test_a_wrong_configuration_is_not_tried_again(machine):
    machine.run("cp -a /etc/clientele.conf /root/kept; echo 'no_such_key = 1' >> /etc/clientele.conf")
    try:
        assert machine.run(f"systemctl restart {UNIT}", check=False).returncode != 0
        assert machine.show("ExecMainStatus") == "78" and machine.show("Result") == "exit-code"
        time.sleep(2.5)  # longer than RestartSec: nothing may happen
        assert machine.show("NRestarts") == "0" or machine.show("ActiveState") == "failed"
        assert "no_such_key" in machine.journal()
    finally:
        machine.run("cp -a /root/kept /etc/clientele.conf; systemctl reset-failed; systemctl restart clientele.socket clientele.service")
    wait_until(lambda: machine.get(key=machine.key) == "200", 10, "an answer")


def test_the_socket_is_not_for_everybody(machine):
    look = "setpriv --reuid=nobody --clear-groups curl -sS --unix-socket /run/clientele/clientele.sock http://x/"
    assert "ermission" in machine.run(look, check=False).stdout or machine.run(look, check=False).returncode == 7


def test_at_last_removing_stops_it_and_purging_leaves_nothing(machine):
    machine.run("dpkg -r clientele")
    assert machine.run(f"systemctl is-active {UNIT} clientele.socket", check=False).stdout.split() == ["inactive", "inactive"]
    assert machine.run("test -e /etc/clientele.conf && ! test -e /run/clientele/clientele.sock").returncode == 0
    machine.run("dpkg -P clientele")
    left = machine.run("find / -xdev -name '*clientele*' -not -path '/proc/*' -not -path '/var/lib/apt/*' -not -name clientele.deb; "
                       "find /run /tmp -name '*clientele*'; "
                       "getent passwd clientele; getent group clientele; ps -eo args | grep '[c]lientele serve'", check=False).stdout
    # Not the package's: the site that README.Debian made, the container's own name, the server's log.
    left = [line for line in left.splitlines() if not re.match(r"/etc/nginx/|/var/lib/systemd/.*timer", line)]
    assert left == []
    # The database is the operator's.
    assert "clientele" in machine.run("runuser -u postgres -- psql -XAtc 'SELECT datname FROM pg_database'").stdout
