"""TLS and SCRAM to PostgreSQL, and who may connect to the socket of the front servers."""

import os
import pwd
import socket
import subprocess
import sys
import tempfile

import pytest

from stack import wait_until
from tls import PASSWORD, Authority


@pytest.fixture
def far(pool, tls_database, tls_key):
    """A function: a service that reaches its database by this URL."""

    def new(url, **options):
        p = pool(tls_database, workers=1, database_url=url, **options)
        p.key = tls_key
        return p

    return new


def test_verified_and_encrypted_with_a_password_that_is_not_sent(far, tls_cluster, tls_database):
    p = far(tls_cluster.tls_url(tls_database, channel_binding="require")).start()
    assert p.ask().status == 200
    with tls_database.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT s.ssl, s.version, a.client_addr IS NOT NULL FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                       "WHERE a.usename = 'clientele_serve'")
        rows = cursor.fetchall()
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'clientele_serve'")
        assert cursor.fetchone()[0].startswith("SCRAM-SHA-256$")
    assert rows and all(ssl and version.startswith("TLSv1.") and far for ssl, version, far in rows)


def test_the_admin_process_reaches_the_database_by_tls_too(far, tls_cluster, tls_database):
    p = far(tls_cluster.tls_url(tls_database))
    admin = str(p.dir / "admin")
    p.write_conf(admin_listen=f"unix:{admin}")
    p.start()

    def ready():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(admin)
            connection.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
            return connection.recv(4096).split(b" ", 2)[1] == b"200"

    wait_until(ready, what="ready")
    assert " died: " not in p.log()


# What is wrong -> what the log says of it.
WRONG = {
    "another authority": "certificate verify failed",
    "another host name": 'does not match host name "127.0.0.1"',
    "a wrong password": 'password authentication failed for user "clientele_serve"',
    "no password": "no password supplied",
    "no encryption": "no pg_hba.conf entry",
}


@pytest.fixture(scope="module")
def wrong_urls(place, tls_cluster, tls_database):
    def url(**more):
        return tls_cluster.tls_url(tls_database, **more)

    return {"another authority": url(authority=Authority(place, "theirs")), "another host name": url(host="127.0.0.1"),
            "a wrong password": url(password=PASSWORD + "x"), "no password": url(password=None), "no encryption": url(mode="disable")}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_and_only_the_log_says_why(far, tls_cluster, wrong_urls, what):
    p = far(wrong_urls[what]).start()
    answer = p.ask()
    assert answer.status == 503 and b'"service_unavailable"' in answer.body
    internals = ("localhost", "127.0.0.1", str(tls_cluster.port), "clientele_serve", "certificate", "password", "SSL", "pg_hba", "postgres")
    shown = answer.body.decode() + str(answer.headers)
    assert [word for word in internals if word.lower() in shown.lower()] == []
    p.wait_log("cannot connect to the database: ")
    lines = [line for line in p.log().splitlines() if "cannot connect to the database: " in line]
    assert WRONG[what] in lines[0]
    assert PASSWORD not in p.log() and " died: " not in p.log()


CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid({gid}); os.setuid({uid})
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
except OSError as error:
    sys.exit(error.errno)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which needs root")
@pytest.mark.parametrize("mode, outcome", [("0660", 13), ("0666", 0)])
def test_a_stranger_on_this_host_may_not_connect(pool, place, mode, outcome):
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        os.chown(folder, place.as_user["user"], -1)
        p = pool(workers=1, listen=f"unix:{folder}/socket", listen_mode=mode)
        p.service.start(False)
        p.wait_ready()
        done = subprocess.run([sys.executable, "-c", CONNECT.format(uid=nobody.pw_uid, gid=nobody.pw_gid), f"{folder}/socket"])
        assert done.returncode == outcome
        p.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which needs root")
def test_the_user_that_root_becomes_has_its_own_home(far, place, tls_cluster, tls_database):
    """libpq looks for certificates there; in that of root the service's user may not even look, and that was the end of it."""
    home = place.new("home")
    home.chmod(0o700)
    os.chown(home, 0, 0)
    url = f"host=localhost port={tls_cluster.port} dbname={tls_database.name} user=clientele_serve password={PASSWORD} sslmode=require"
    p = far(url, user="nobody", log=None)
    for path in (p.conf, p.conf.parent, place.dir):
        path.chmod(path.stat().st_mode | 0o055)
    env = {**place.env, "HOME": str(home)}
    done = subprocess.run([p.place.bin, "-c", p.conf, "check", "--connect"], env=env, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "configuration and database ok\n"), done.stderr
    place.as_user, before = {}, place.as_user
    try:
        p.start(env=env)
        assert p.ask().status == 200
    finally:
        place.as_user = before
