"""What an operator may get wrong in the configuration: said at once, all of it, and nothing of a secret."""

import contextlib
import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from stack import open_files, wait_until

CONFIG, DATABASE = 78, 75


def check(p, *arguments, **more):
    return p.place.run(p.place.bin, "-c", p.conf, *arguments, "check", check=False, **more)


MISPLACED = ("database_owner_url belongs in clientele-owner.conf (owner_file), which only root can read: no process that serves may "
             "know it")


def owners_file(p, text, mode=0o600, name="clientele-owner.conf"):
    path = p.dir / name
    path.write_text(text)
    if p.place.as_user:
        os.chown(path, p.place.as_user["user"], p.place.as_user["group"])
    path.chmod(mode)
    return path


def lines(done):
    """What is wrong, without the names of files."""
    assert (done.returncode, done.stdout) == (CONFIG, ""), done
    return [re.sub(r"^clientele: (/[^:]*/clientele\.conf:)?", "", line) for line in done.stderr.splitlines()]


def test_check_reports_all_mistakes(pool):
    """D9: it told only the first."""
    p = pool()
    p.conf.write_text("workers = many\nno_key = 1\nlog = /nonexistent/log\nuser = nobody-of-this-name\nlisten = nowhere\n"
                      "workers_min = 3\ndatabase_owner_url = password=hush\n")
    owners_file(p, "database_owner_url = sslmode=maybe\nworkers = 2\n")
    found = lines(check(p, "--body-max=1"))
    assert found == [
        '1: workers must be auto, dynamic or a whole number from 1 to 512, not "many"',
        '2: there is no key "no_key"',
        f"7: {MISPLACED}",
        'command line: body_max must be a size such as 16K or 2M, from 16K to 4M, not "1"',
        f"{p.dir}/clientele-owner.conf:2: workers belongs in clientele.conf",
        "database_owner_url: libpq refuses one of its parameters: sslmode, channel_binding, target_session_attrs and their like take "
        "certain words only",
        'listen: "nowhere" is not unix:/path, /path, host:port or [v6]:port',
        'user: there is no user "nobody-of-this-name"',
        "log: /nonexistent/log: No such file or directory"]


def test_a_refused_reload_has_all_mistakes_in_one_line(pool):
    p = pool(workers=1).start()
    text = p.conf.read_text()
    p.conf.write_text(text + "no_key = 1\nlog_level = loud\n")
    p.signal(1)
    p.wait_log("no_key")
    line = next(line for line in p.log().splitlines() if "no_key" in line)
    assert re.search(r'clientele\.conf:\d+: there is no key "no_key"; \S+clientele\.conf:\d+: log_level must be error', line)
    assert p.ask().status == 200


HIDDEN = {  # F15
    "carriage returns": (b"workers = 2\r\nmax_requests = 5\r\n", "1: the line ends in a carriage return: save the file with Unix line endings"),
    "byte order mark": (b"\xef\xbb\xbfworkers = 2\n", "1: the file begins with a byte order mark: save it as UTF-8 without one"),
    "comment": (b"log = /tmp/x.log # the log\n", "1: log: a comment needs a line of its own: all after the = is the value"),
    "hidden character": (b"user = ro\xe2\x80\x8bot\n", '1: user must be plain text of 0 to 64 bytes, not "ro\\u200bot"'),
    "standard error": (b"log = /dev/stderr\n", "log: /dev/stderr is not a file; for standard error write log = stderr"),
    "unknown host": (b"listen = no-such-host.invalid:9000\n", None),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_what_a_message_used_to_hide(pool, what):
    p = pool()
    text, message = HIDDEN[what]
    p.conf.write_bytes(text + (b"" if text.startswith(b"listen") else f"listen = unix:{p.socket}\n".encode()))
    found = lines(check(p))
    if message:
        assert found == [message]
    else:  # D9
        assert re.fullmatch(r'listen: there is no host "no-such-host\.invalid" \([^)]+\): give an address of this machine, such as '
                            r"127\.0\.0\.1:9000", found[0])
    started = p.place.run(p.place.bin, "-c", p.conf, "serve", check=False)
    assert started.returncode == CONFIG and found[0] in started.stderr


def test_a_relative_path_of_the_configuration_is_shown_whole(pool):
    """F15: and read again from wherever the service is by then."""
    p = pool()
    p.conf.write_text("workers = many\n")
    relative = os.path.relpath(p.conf, p.place.dir)
    done = p.place.run(p.place.bin, "-c", relative, "check", check=False)
    assert done.stderr.startswith(f"clientele: {p.conf}:1: ")


def test_a_password_on_the_command_line_is_warned_of(pool, cluster, proc_database):
    """F15: every user of the machine sees it. The service goes on: it may be a test."""
    p = pool(database_url=None)
    url = cluster.url("clientele_serve", proc_database.name)
    with_password = url.replace("clientele_serve@", "clientele_serve:hush@")
    done = check(p, f"--database-url={with_password}")
    assert done.returncode == 0 and done.stdout == "configuration ok\n"
    assert re.fullmatch(r"clientele: --database-url has a password, which everybody on this machine can see in the list of processes; "
                        r"put it into the file or the environment\.\n", done.stderr)
    assert check(p, f"--database-url={url}").stderr == ""
    assert check(p, env={"CLIENTELE_DATABASE_URL": with_password}).stderr == ""


URLS = {  # A7, B6, F3: what the string is -> what is said of it. Each holds a piece of a password: hush.
    "host=/nowhere password=two hush": "database_url: libpq cannot read it: ",
    "passwrod=hush": "database_url: libpq cannot read it: ",
    " ": "database_url must not be empty",
    "postgresql://clientele_serve:p@hush@db.example/clientele": "database_url: a password in a URL must have its special characters escaped: @ as %40",
    "postgresql://clientele_serve:p/hush@db.example/clientele": "database_url: a password in a URL must have its special characters escaped: @ as %40",
    "sslmode=hush": "database_url: libpq refuses one of its parameters: ",
    "client_encoding=LATIN1 password=hush": "database_url: client_encoding must be UTF8",
    "options='-c role=postgres' password=hush": "database_url: its options must not set role: connect as the role itself",
    "options='-c default_transaction_read_only=on'": "database_url: its options must not set default_transaction_read_only: every write would fail",
}


@pytest.mark.parametrize("url", URLS)
def test_a_connection_string_that_will_not_do_is_refused_at_once(pool, url):
    p = pool(workers=1)
    env = {"CLIENTELE_DATABASE_URL": url}
    found = lines(check(p, env=env))
    assert len(found) == 1 and found[0].startswith(URLS[url])
    done = p.place.run(p.place.bin, "-c", p.conf, "serve", check=False, env=env)
    assert done.returncode == CONFIG and done.stderr.startswith(f"clientele: {URLS[url]}")
    assert "hush" not in done.stderr
    done = p.place.run(p.place.bin, "-c", p.conf, "org", "list", check=False, env={"CLIENTELE_DATABASE_OWNER_URL": url})
    assert done.returncode == CONFIG and done.stderr.startswith(f"clientele: {URLS[url].replace('database_url', 'database_owner_url')}")
    assert "hush" not in done.stderr
    # A reload too: the old one goes on.
    p.start()
    p.write_conf(database_url=url)
    p.signal(1)
    p.wait_log(URLS[url].strip())
    assert p.ask().status == 200 and "hush" not in p.log()
    # But a running service can still be asked.
    assert "admin_listen is not set" in p.place.run(p.place.bin, "-c", p.conf, "status", check=False, env=env).stderr or url == " "


def test_the_database_must_be_in_utf8(pool, cluster, place):
    """F3."""
    with contextlib.closing(cluster.connect()) as db, db.cursor() as cursor:
        cursor.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
        cursor.execute("GRANT CONNECT ON DATABASE latin TO clientele_serve")
    p = pool(database_url=cluster.url("clientele_serve", "latin"))
    done = check(p, env={"LC_ALL": "C"})
    assert done.returncode == 0
    done = p.place.run(p.place.bin, "-c", p.conf, "check", "--connect", check=False)
    assert (done.returncode, done.stderr) == (CONFIG, "clientele: server_encoding is LATIN1 and must be UTF8: make the database with sql/setup.sql\n")


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which needs root")
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_configuration_that_the_service_could_not_read_again_is_refused(pool, command):
    """D10: readable by root alone, with user: it started, and every reload was refused."""
    p = pool(user="nobody", workers=1)
    p.conf.chmod(0o600)
    os.chown(p.conf, 0, 0)
    done = subprocess.run([p.place.bin, "-c", p.conf, command], env=p.place.env, text=True, capture_output=True, timeout=60)
    assert done.returncode == CONFIG
    assert f'clientele: {p.conf}: the user "nobody" cannot read it, so every reload would be refused\n' in done.stderr
    for path in (p.conf, p.conf.parent, p.place.dir):
        path.chmod(path.stat().st_mode | 0o055)
    done = subprocess.run([p.place.bin, "-c", p.conf, "check"], env=p.place.env, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def peers(cluster, new_database):
    """A database that lets the serving role in for one user of the system alone, as README.Debian sets it up."""
    database = new_database()
    hba, ident = cluster.data / "pg_hba.conf", cluster.data / "pg_ident.conf"
    before = hba.read_text()
    hba.write_text(f"local {database.name} clientele_serve peer map=peers\n{before}")
    ident.write_text("peers nobody clientele_serve\n")
    cluster.psql("-c", "SELECT pg_reload_conf()")
    cluster.sockets.chmod(0o755)
    yield database
    hba.write_text(before)
    ident.write_text("")
    cluster.psql("-c", "SELECT pg_reload_conf()")
    cluster.sockets.chmod(0o700)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which needs root")
def test_check_connects_as_the_user_of_the_service(pool, peers):
    """D2: as root it always failed where the database knows the service by its user, so that check && reload never reloaded."""
    p = pool(peers, workers=1)
    for path in (p.conf, p.conf.parent, p.place.dir):
        path.chmod(path.stat().st_mode | 0o055)

    def check_as_root(*flags):
        return subprocess.run([p.place.bin, "-c", p.conf, *flags, "check", "--connect"], env=p.place.env, text=True, capture_output=True, timeout=60)

    refused = wait_until(lambda: (done := check_as_root()).returncode == DATABASE and done, what="the new pg_hba.conf")
    assert 'the database refuses the login of "clientele_serve"' in refused.stderr
    assert refused.stderr.endswith("set user, and check becomes it\n")
    done = check_as_root("--user=nobody")
    assert (done.returncode, done.stdout) == (0, "configuration and database ok\n"), done.stderr


def memory_of(pid):
    """All that a process can read of its own, as root sees it."""
    found = bytearray()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode, _, _, _, *name = line.split()
            begin, end = (int(part, 16) for part in span.split("-"))
            if "r" not in mode or name[:1] in (["[vvar]"], ["[vsyscall]"], ["[vvar_vclock]"]) or end - begin > 1 << 26:
                continue
            try:
                memory.seek(begin)
                found += memory.read(end - begin)
            except OSError:
                pass
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="reads another process's memory, which needs root")
def test_a_process_that_serves_does_not_know_the_owner(pool):
    """B1: with the owner's password row-level security could be switched off from inside a worker."""
    p = pool(workers=1)
    file = owners_file(p, f"database_owner_url = {p.database.owner_url}&password=0wner-hush\n")
    assert p.place.run(p.place.bin, "-c", p.conf, "org", "list").stdout.startswith("id ")  # the file is the one that counts
    p.write_conf(admin_listen=f"unix:{p.dir}/admin")
    p.start()
    before = set(p.workers())
    p.signal(1)  # a reload reads all again
    wait_until(lambda: p.readies() == 2 and len(p.workers()) == 2 and not before & set(p.workers()),
               what="the reload, with a worker and the admin process")
    for pid in [p.pid, *p.workers()]:
        memory = memory_of(pid)
        assert b"clientele_serve" in memory  # or this test sees nothing
        assert b"0wner-hush" not in memory
        assert str(file) not in open_files(pid).values()
    # Nor does it open it: for whoever serves it might as well not be there.
    assert "clientele-owner" not in p.log()


def begin_wrongly(p, how, url):
    """The configuration, the environment or the command line of a process that serves has the owner's key."""
    if how == "file":
        p.write_conf(database_owner_url=url)
    command = [p.place.bin, "-c", p.conf, "serve", *([f"--database-owner-url={url}"] if how == "command line" else [])]
    return p.place.run(*command, check=False, env={"CLIENTELE_DATABASE_OWNER_URL": url} if how == "environment" else None)


@pytest.mark.parametrize("how", ["file", "environment", "command line"])
def test_a_service_that_is_given_the_owners_secret_does_not_start(pool, how):
    """B1."""
    done = begin_wrongly(pool(workers=1), how, "host=/nonexistent user=clientele_owner password=0wner-hush")
    assert done.returncode == CONFIG and MISPLACED in done.stderr and "0wner-hush" not in done.stderr
    assert how == "file" or f"clientele: {how}" in done.stderr


def test_a_reload_that_brings_the_owners_secret_is_refused(pool):
    p = pool(workers=1).start()
    p.write_conf(database_owner_url="password=0wner-hush")
    p.signal(1)
    p.wait_log(MISPLACED)
    assert p.ask().status == 200 and "0wner-hush" not in p.log()


def test_the_owners_file_is_for_its_owner_alone(pool):
    """B1."""
    p = pool()

    def org_list(*flags, **more):
        return p.place.run(p.place.bin, "-c", p.conf, *flags, "org", "list", check=False, **more)

    good = f"database_owner_url = {p.database.owner_url}\n"
    for mode in (0o644, 0o640, 0o604, 0o620, 0o602, 0o610):
        path = owners_file(p, good, mode)
        for done in (org_list(), check(p)):
            assert (done.returncode, done.stderr) == (CONFIG, f"clientele: {path}: others than its owner may read or write it, and it may "
                                                              f"hold a password: chmod 600 {path}\n")
    owners_file(p, good)
    assert org_list().returncode == check(p).returncode == 0
    other = owners_file(p, good, name="other.conf")
    owners_file(p, "database_owner_url = host=/nonexistent\n")
    assert org_list().returncode == DATABASE
    # Relative to the configuration, or anywhere; the environment and the command line come first.
    assert org_list("--owner-file=other.conf").returncode == org_list(f"--owner-file={other}").returncode == 0
    assert org_list(env={"CLIENTELE_DATABASE_OWNER_URL": p.database.owner_url}).returncode == 0
    assert org_list(f"--database-owner-url={p.database.owner_url}").returncode == 0
    assert org_list("--database-owner-url=dbname=clientele user=clientele_owner", env={"PGHOST": "/nowhere"}).stderr.count("/nowhere") == 1
    done = org_list("--owner-file=missing.conf")
    assert (done.returncode, done.stderr) == (CONFIG, f"clientele: {p.dir}/missing.conf: No such file or directory\n")
    (p.dir / "clientele-owner.conf").unlink()
    assert check(p).returncode == 0  # a file that nobody named may be missing
    assert check(p, "--print").stdout.count("owner_url") == 0


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to other users, which needs root")
def test_the_owners_file_is_not_the_services(pool):
    """B1: the service's user is the one who must not read it; and as that user check leaves it alone."""
    p = pool(user="nobody", workers=1)
    for path in (p.conf, p.conf.parent, p.place.dir):
        path.chmod(path.stat().st_mode | 0o055)
    path = owners_file(p, "database_owner_url = password=hush\n")

    def as_root(*command):
        return subprocess.run([p.place.bin, "-c", p.conf, *command], env=p.place.env, text=True, capture_output=True, timeout=60)

    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(path, nobody, 0)
    for command in (["org", "list"], ["check"]):
        done = as_root(*command)
        assert (done.returncode, done.stderr) == (CONFIG, f"clientele: {path}: it belongs to the user of the service, who must not know it: "
                                                          f"chown root {path}\n")
    os.chown(path, 0, 0)
    assert as_root("check").returncode == 0
    done = subprocess.run([p.place.bin, "-c", p.conf, "check"], env=p.place.env, text=True, capture_output=True, timeout=60, user=nobody,
                          group=nobody, extra_groups=[])
    assert (done.returncode, done.stderr) == (0, "")
    done = p.place.run(p.place.bin, "-c", p.conf, "org", "list", check=False)
    assert (done.returncode, done.stderr) == (CONFIG, f"clientele: {path}: Permission denied\n")
