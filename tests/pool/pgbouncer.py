"""A private PgBouncer in transaction mode between Clientele and a cluster."""

import os
import re
import shutil
import subprocess
from urllib.parse import quote

import psycopg2

from stack import PATIENCE, wait_until

PORT = 6432  # no more than a part of the socket's name


class PgBouncer:
    """Options are keys of pgbouncer.ini. Its clients log in without a password, as the cluster's do."""

    def __init__(self, place, cluster, **options):
        self.place, self.cluster, self.process = place, cluster, None
        self.dir = place.new("b")
        self.log_file = self.dir / "log"
        self.conf = self.dir / "pgbouncer.ini"
        users = self.dir / "users.txt"
        users.write_text('"clientele_serve" ""\n"clientele_owner" ""\n')
        self.options = {"unix_socket_dir": self.dir, "listen_port": PORT, "auth_type": "trust", "auth_file": users,
                        "pool_mode": "transaction", "default_pool_size": 2, "max_client_conn": 100, "server_login_retry": 1,
                        "query_wait_timeout": 20, "log_connections": 0, "log_disconnections": 0, **options}
        self.start()

    def start(self):
        lines = [f"{key} = {value}\n" for key, value in self.options.items()]
        self.conf.write_text(f"[databases]\n* = host={self.cluster.sockets} port=5432\n[pgbouncer]\n{''.join(lines)}")
        for path in self.dir.iterdir():
            if path.is_file():
                path.chmod(0o644)
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = self.place.spawn(self.log_file, program, self.conf)
        wait_until(lambda: self.process.poll() is not None or (self.dir / f".s.PGSQL.{PORT}").exists(), what="the start of PgBouncer")
        assert self.process.poll() is None, self.log_file.read_text()

    def stop(self):
        self.process.terminate()  # at once, whatever its clients do
        try:
            self.process.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def url(self, database, role="clientele_serve"):
        return f"postgresql://{role}@/{database.name}?host={quote(str(self.dir), safe='')}&port={PORT}"

    def connect(self, database, role="clientele_serve"):
        return psycopg2.connect(host=str(self.dir), port=PORT, user=role, dbname=database.name)

    @staticmethod
    def version():
        """(1, 18), or None when it is not installed."""
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            return None
        text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(number) for number in re.search(r"PgBouncer (\d+)\.(\d+)", text).groups())
