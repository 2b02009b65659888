"""Several hosts behind one nginx: two services on TCP with one database, one of which is killed or restarted under load."""

import http.client
import os
import signal

import pytest

from conftest import CUSTOMERS
from stack import Front, Service, children, free_port, process_stat, wait_until
from writers import Writers

WORKERS = 2


class Balancer(Front):
    """nginx with the shipped files, changed as conf/nginx-site.conf says for several hosts."""

    def __init__(self, place, ports):
        self.ports = ports
        self.answered = set()  # ports that did since this was emptied
        super().__init__(place, "nginx", "/nowhere")

    def start(self):
        servers = "".join(f"\tserver 127.0.0.1:{port} max_fails=2 fail_timeout=1s;\n" for port in self.ports)
        self.change("nginx-site.conf", "\tserver unix:/nowhere max_fails=0;\n", servers)
        self.change("nginx-site.conf", "\tinclude", "\tadd_header X-Upstream $upstream_addr always;\n\tinclude")
        self.change("nginx-clientele.conf", "fastcgi_next_upstream off;", "fastcgi_next_upstream error;")
        super().start()

    def change(self, name, old, new):
        text = (self.dir / name).read_text()
        assert text.count(old) == 1, f"{name} has no {old!r}"
        (self.dir / name).write_text(text.replace(old, new))


class Host(Service):
    """A service as on a host of its own."""

    def __init__(self, database, port):
        super().__init__(database, listen=f"127.0.0.1:{port}", listen_allow="127.0.0.1", workers=WORKERS)

    def start(self):
        before = self.log().count(": ready: ")
        super().start(wait=False)
        wait_until(lambda: self.log().count(": ready: ") > before or self.ended(), what="a host that serves")
        assert not self.ended(), self.log()
        return self

    def kill(self):
        """As a power cut would."""
        workers = children(self.pid)
        for pid in [self.pid, *workers]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: all((process_stat(pid) or "Z")[0] in "ZX" for pid in workers), what="the end of its workers")


@pytest.fixture
def hosts(place, proc_database):
    ports = [free_port(), free_port()]
    made = [Host(proc_database, port).start() for port in ports]
    front = Balancer(place, ports)
    yield made, front
    front.stop()
    for host in made:
        host.stop()


def sender(front, key, method):
    """send() of Writers, through the web server; GET takes the same arguments and sends no body."""

    def send(headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
        try:
            connection.request(method, CUSTOMERS, body if method == "POST" else None, {"x-api-key": key, **dict(headers)})
            answer = connection.getresponse()
            status = answer.status
            if status < 500:
                front.answered.add(int(answer.headers["X-Upstream"].rpartition(":")[2]))
        finally:
            connection.close()
        return 201 if (method, status) == ("GET", 200) else status

    return send


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_one_of_two_hosts_goes_and_comes_back(hosts, key, how):
    (one, other), front = hosts
    writers = Writers(sender(front, key, "POST"), 4)
    readers = Writers(sender(front, key, "GET"), 2)
    for host in (one, other):
        writers.wait(40)
        host.kill() if how == "killed" else host.stop()
        writers.wait(40)
        readers.wait(20)
        host.start()
        # nginx asks a host that it has seen fail again when fail_timeout is over.
        front.answered.clear()
        wait_until(lambda: front.answered >= set(front.ports), what="requests for both hosts")
    readers.finish()
    writers.finish().check(one.database)
    # A read is sent to the other host whatever happened to the first; a POST only when nothing of it had been sent,
    # so that what was in the workers of a host that dies is lost: its client repeats it with the same key.
    assert readers.statuses == {}
    assert set(writers.statuses) <= set(Writers.EXPECTED)
    assert sum(writers.statuses.values()) <= 2 * (WORKERS + 2), writers.statuses
