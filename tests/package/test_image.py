"""
The image of scripts/image, of the package that the others test: its layout is looked through as an engine does, and its
file system started as one would start it: as its user, read-only but for /run/clientele, with a first process of its own, and
PostgreSQL over TCP.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import tarfile
import urllib.error
import urllib.request

import pytest

from machine import run, tools
from stack import ROOT, Cluster, free_port, wait_until

STATE = "run/clientele"
# Becomes the container's first process. $1: the root, $2: who; then the command.
CONTAIN = f"""
mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
mount -t tmpfs -o "uid=${{2%:*}},gid=${{2#*:}}" tmpfs "$1/{STATE}" && mount -o remount,bind,ro "$1" || exit
root=$1 who=$2; shift 2
exec chroot --userspec="$who" --groups= "$root" /usr/bin/setpriv --no-new-privs "$@"
"""


class Image:
    """What an engine reads of it."""

    def __init__(self, file, root):
        self.blobs = {}
        with tarfile.open(file) as layout:
            for member in layout.getmembers():
                if member.isfile():
                    self.blobs[member.name] = layout.extractfile(member).read()
        (self.entry, ) = json.loads(self.blobs["index.json"])["manifests"]
        self.manifest = json.loads(self.blob(self.entry))
        self.all = json.loads(self.blob(self.manifest["config"]))
        self.config = self.all["config"]
        (self.layer, ) = self.manifest["layers"]
        root.mkdir()
        self.root = root
        packed = root.with_suffix(".tar.gz")
        packed.write_bytes(self.blob(self.layer))
        run("tar", "-C", root, "--numeric-owner", "-xpzf", packed)
        self.diff = run("bash", "-c", f"gzip -dc {packed} | sha256sum").stdout.split()[0]
        packed.unlink()

    def blob(self, about):
        found = self.blobs["blobs/" + about["digest"].replace(":", "/")]
        assert about["digest"] == "sha256:" + hashlib.sha256(found).hexdigest() and about["size"] == len(found)
        return found


class Container:
    """Its first process, in namespaces for processes and mounts; the network is this machine's."""

    def __init__(self, image, log, env, *arguments):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["unshare", "-m", "-p", "-i", "-f", "--kill-child=KILL", "sh", "-c", CONTAIN, "-", image.root,
                                             image.config["User"], *image.config["Entrypoint"], *arguments],
                                            env={**dict(pair.split("=", 1) for pair in image.config["Env"]), **env}, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)

    def first(self):
        """As this machine numbers it; None: it is not there yet."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            found = children.read().split()
        return int(found[0]) if found else None

    def within(self, *command):
        """What `podman exec` would do."""
        return run("nsenter", "-t", self.first(), "-m", "-p", "-r", f"--wdns=/{STATE}", "setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "env", "-i",
                   *self.environment(), *command, check=False)

    def environment(self):
        with open(f"/proc/{self.first()}/environ") as environ:
            return environ.read().strip("\0").split("\0")

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            os.kill(self.first(), number)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def image(package, folder):
    tools("mmdebstrap", "unshare", "chroot", "setpriv", "nsenter")
    if os.getuid() != 0 or run("unshare", "-m", "--propagation", "private", "true", check=False).returncode != 0:
        pytest.skip("no new namespaces can be made here")
    file = folder / "clientele.tar"
    done = run(ROOT / "scripts/image", "--no-install", package, file, check=False)
    if done.returncode != 0 and re.search("Failed to fetch|Unable to fetch|Could not resolve", done.stdout):
        pytest.skip(f"packages could not be fetched: {done.stdout[-200:]}")
    assert done.returncode == 0, done.stdout
    return Image(file, folder / "image")


@pytest.fixture(scope="module")
def elsewhere(place):
    """A database that is reached over TCP, at an address of this machine that nobody else uses."""
    address = f"127.83.{os.getpid() // 254 % 254 + 1}.{os.getpid() % 254 + 1}"
    cluster = Cluster(place, conf=f"listen_addresses = '{address}'\n", start=False)
    with open(cluster.data / "pg_hba.conf", "a") as rules:
        rules.write(f"host all all {address}/32 trust\n")
    cluster.start()
    database = cluster.database("clientele", migrate=False)
    database.tcp = f"postgresql://%s@{address}/clientele"
    yield database
    cluster.stop("immediate")


@pytest.fixture(scope="module")
def start(image, elsewhere, folder):
    """A function: a container with a free port for each of its two."""
    made = []

    def start(*arguments):
        ports = free_port(), free_port()
        env = {"CLIENTELE_DATABASE_URL": elsewhere.tcp % "clientele_serve", "PORT": str(ports[0]), "CLIENTELE_METRICS_LISTEN": f"127.0.0.1:{ports[1]}"}
        if arguments:  # a process that serves refuses to know how the owner connects
            env["CLIENTELE_DATABASE_OWNER_URL"] = elsewhere.tcp % "clientele_owner"
        container = Container(image, folder / f"container{len(made)}.log", env, *arguments)
        container.url, container.metrics = (f"http://127.0.0.1:{port}" for port in ports)
        made.append(container)
        return container

    yield start
    for container in made:
        if container.process.poll() is None:
            container.process.kill()
            container.process.wait()


def ask(url, key=""):
    """Status, headers and body; no status: nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"x-api-key": key}), timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read().decode()
    except OSError:
        return None, None, None


def test_the_layout_is_what_engines_read(image):
    assert json.loads(image.blobs["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert image.all["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{image.diff}"]}
    assert image.all["os"] == "linux" and image.all["architecture"] in ("amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x")
    assert set(image.blobs) == {"oci-layout", "index.json"} | {
        "blobs/" + about["digest"].replace(":", "/") for about in (image.entry, image.manifest["config"], image.layer)}


def test_nothing_in_it_is_another_ones_or_a_secret(image):
    """No file of the service's own user or group but its folder and, to be read, its configuration; and no owner's."""
    found = run("find", image.root, "-xdev", "(", "-uid", "10001", "-o", "-gid", "10001", ")", "-printf", "%P %M\n").stdout
    assert sorted(found.splitlines()) == ["etc/clientele.conf -rw-r-----", f"{STATE} drwxr-xr-x"]
    assert not (image.root / "etc/clientele-owner.conf").exists()
    assert image.config["User"] == "10001:10001"


def test_without_tables_it_ends_with_the_reason(start):
    container = start()
    assert container.process.wait(60) == 78
    assert "clientele migrate" in container.log.read_text()


def is_well(container):
    return ask(f"{container.metrics}/ready")[0] == 200 and ask(f"{container.url}/api/v1/customers", container.key)[0] == 200


@pytest.fixture(scope="module")
def container(start):
    """It runs, after `migrate` has run in another one of the same image; key: of a live environment."""
    for command in (["migrate"], ["org", "create", "Acme"], ["key", "create", "--org", "Acme", "--env", "live"]):
        made = start(*command)
        assert made.process.wait(60) == 0, made.log.read_text()
    container = start()
    container.key = re.search(r"ck_live_\S+", made.log.read_text()).group(0)
    wait_until(lambda: is_well(container), 30, "an answer")
    return container


def test_it_tells_its_health(container):
    assert ask(f"{container.metrics}/live")[0] == 200
    done = container.within("clientele-health")
    assert done.returncode == 0, done.stdout


def test_it_answers_the_api(container):
    status, _, body = ask(f"{container.url}/api/v1/customers", container.key)
    assert status == 200 and json.loads(body)["object"] == "list"


@pytest.mark.parametrize("part", ["dashboard", "docs"])
def test_it_has_the_pages(container, web, part):
    status, headers, body = ask(f"{container.url}/{part}/")
    assert status == 200 and "script-src 'self'" in headers["Content-Security-Policy"]
    assert body == (web / part / "index.html").read_text()


def test_all_processes_are_those_of_its_user_without_any_right(container):
    found = container.within("sh", "-c", "cat /proc/[0-9]*/status").stdout
    names = set(line.split("\t")[1] for line in found.splitlines() if line.startswith("Name:"))
    assert {"s6-svscan", "s6-supervise", "clientele", "nginx"} <= names
    for line in found.splitlines():
        if line.startswith("Uid:"):
            assert line == "Uid:\t10001\t10001\t10001\t10001"
        if line.startswith(("CapPrm:", "CapEff:")):
            assert line.split()[1] == "0" * 16


@pytest.mark.parametrize("name", ["nginx", "clientele"])
def test_what_dies_is_started_again(container, name):
    def pid():
        return container.within("s6-svstat", "-o", "pid", f"/{STATE}/service/{name}").stdout.strip()

    before = pid()
    container.within("kill", "-KILL", before)
    wait_until(lambda: pid() not in ("-1", before), 20, f"another {name}")
    wait_until(lambda: is_well(container), 20, "an answer")
    again = pid()
    assert again == pid() != before and container.within("sh", "-c", "ps -o ppid= -C nginx | grep -cx ' *1'").stdout.strip() == "0"


def test_it_is_not_healthy_without_its_database(container, elsewhere):
    elsewhere.cluster.stop()
    wait_until(lambda: container.within("clientele-health").returncode == 1, 20, "the failure")
    assert ask(f"{container.metrics}/live")[0] == 200
    elsewhere.cluster.start()
    wait_until(lambda: container.within("clientele-health").returncode == 0, 30, "the recovery")


def test_it_writes_nowhere_but_in_its_folder(container):
    found = container.within("find", "/", "-xdev", "-writable", "(", "-type", "f", "-o", "-type", "d", ")").stdout.splitlines()
    assert [line for line in found if "Permission denied" not in line] == [f"/{STATE}"]


def test_at_last_it_ends_when_it_is_told_to(container):
    assert container.end() == 0
    assert re.search(r"supervisor\[\d+\]: stopped", container.log.read_text())
