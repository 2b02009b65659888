"""
Every command of the documents, pasted as it stands by a reader with one bare Debian: README, the tour, README.Debian,
doc/operations.md, in this order and each from its first block to its last. The machine has no network once it is booted, so
what apt-get shall install was downloaded before; what the documents presuppose of hosts and addresses is in BEFORE.
"""

import json
import re
import shutil

import pytest

from blocks import COMMANDS, blocks, documents, printed, session
from machine import Machine, Shell, run, tools
from stack import ROOT, wait_until

DEBIAN, OPERATIONS = "debian/README.Debian", "doc/operations.md"
READ = ("README.md", "doc/tour.md", DEBIAN, OPERATIONS)
# Their blocks are run by another test, which fails when it leaves one out.
ELSEWHERE = {"doc/clients.md": "tests/sdk/test_recipes.py"}
# A section of source, which tests/grow/test_grow.py compares with the files that it is from.
SOURCE = ("HACKING.md", "How to add a resource")
STEPS = [block for document in READ for block in blocks(document)]
SET_UP = blocks(DEBIAN)[0].heading

# ---------------------------------------------------------------- nothing is left out


@pytest.mark.parametrize("document", [name for name in documents() if name not in ELSEWHERE])
def test_every_block_is_run_or_says_why_not(document):
    found = [block for block in blocks(document) if (document, block.heading) != SOURCE]
    for block in found:
        assert block.kind, f"{block.place}: the fence does not say what it holds"
        assert block.kind in (*COMMANDS, "text") or block.name in (*FILES, *PROMETHEUS), f"{block.place}: not a file that a test knows"
        assert block.reason != "", f"{block.place}: not run, without a reason"
        assert block.kind not in COMMANDS or document in READ or block.reason, f"{block.place}: no test runs it, and it does not say why"
    for block in found:
        if block.reason:
            print(f"{block.place} is not run: {block.reason}")


@pytest.mark.parametrize("document", [name for name in documents() if name.endswith(".md")])
def test_no_code_is_only_indented(document):
    """Such a block says neither what it is nor whether it can be pasted."""
    fenced, before = False, ""
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        assert fenced or before or not line.startswith(("    ", "\t")), f"{document}:{number}: indented, but not fenced"
        before = line.strip()


def test_the_comparison_of_output_can_fail():
    wanted = ["HTTP/1.1 201 Created", "...", '{"id":"cus_0351FCQgKR3I7ZkBzl3HBP", ... }', "cus_0351FCQgKR3I7ZkBzl3HBP"]
    one, other = "cus_" + "A" * 22, "cus_" + "B" * 22
    right = ["HTTP/1.1 201 Created", "Date: now", "Server: nginx", f'{{"id":"{one}","email":"a@b.co"}}', one]
    assert printed(wanted, "\n".join(right)) == {"cus_0351FCQgKR3I7ZkBzl3HBP": one}
    for number, line in ((0, "HTTP/1.1 200 OK"), (3, f'{{"id":"{one}"}}, more'), (3, '{"id":"key_1"}'), (4, other)):
        assert printed(wanted, "\n".join([*right[:number], line, *right[number + 1:]])) is None
    assert printed(["workers   8 serve of 8"], "workers 12 serve of 12", figures=True) == {}
    assert printed(["workers   8 serve of 8"], "workers 12 serve of 12") is None


# ---------------------------------------------------------------- files that a block shows


def set_keys(text, lines, _):
    """key = value: in the place of the key, or at the end."""
    for line in lines.splitlines():
        key = line.partition(" =")[0]
        text, count = re.subn(rf"(?m)^#?{key} =.*$", lambda _: line, text, count=1)
        if not count:
            text += line + "\n"
    return text


def set_statements(text, lines, place):
    """nginx's: each in the place of the one that begins alike; a file that is not there yet is the block."""
    for statement in re.findall(r"^(?:.*\{\n(?:.*\n)*?\}|.+;)$", lines, re.M) if text else ():
        first = statement.split()[0] + (" " + statement.split()[1] if "{" in statement else "")
        old = rf"(?ms)^\s*{first} [^\n]*\{{\n.*?^\}}" if "{" in statement else rf"(?m)^\s*{first} [^;\n]*;"
        text, count = re.subn(old, lambda _: statement, text)
        assert count == 1, f"{place}: {count} statements are like {first}"
    return text or lines + "\n"


def whole(_text, lines, _place):
    return lines + "\n"


# What Prometheus reads is tried without one that runs.
PROMETHEUS = {"prometheus.yml": "config", "queries": "rules"}
FILES = {"/etc/clientele.conf": set_keys, "/etc/pgbouncer/pgbouncer.ini": whole, "/etc/nginx/sites-enabled/clientele": set_statements,
         "/etc/nginx/sites-enabled/clientele-metrics": set_statements}


def put(machine, block):
    path = machine.root / block.name.lstrip("/")
    text = path.read_text() if path.exists() else ""
    path.write_text(FILES[block.name](text, block.text, block.place))


@pytest.mark.parametrize("block", [block for block in STEPS if block.name in PROMETHEUS], ids=lambda block: block.place)
def test_prometheus_understands_it(block, tmp_path):
    tools("promtool")
    shutil.copy(ROOT / "conf/prometheus-rules.yml", tmp_path)
    text = block.text
    if block.name == "queries":
        queries = [line for line in text.splitlines() if not line.startswith("#")]
        text = json.dumps({"groups": [{"name": "queries", "rules": [{"record": f"query{number}", "expr": query}
                                                                    for number, query in enumerate(queries)]}]})
    (tmp_path / "file").write_text(text)
    run("promtool", "check", PROMETHEUS[block.name], tmp_path / "file")


# ---------------------------------------------------------------- a reader

# A backup of nothing would prove nothing, and PostgreSQL finds no moment that no transaction follows.
A_CUSTOMER = """curl -fsS http://localhost:8080/api/v1/customers -H "x-api-key: $key" -d '{"email":"bob@example.com"}'"""
A_SUBSCRIPTION = """clientele plan create pro --org acme --env live --name Pro --prices monthly=4900
        curl -fsS http://localhost:8080/api/v1/customers -H "x-api-key: $key" -d '{"email":"bob@example.com","id":"bob"}'
        curl -fsS http://localhost:8080/api/v1/subscriptions -H "x-api-key: $key" -d '{"customerId":"bob","planCode":"pro"}'"""
# What a section presupposes on the machine; in what folder its reader is; and what must be true at its end.
BEFORE = {
    "Installing elsewhere": "mkdir elsewhere && tar -C clientele --exclude=./var --exclude=./build -c . | tar -C elsewhere -x",
    "Upgrades": """mkdir new && cd new && dpkg-deb -R ../clientele_*.deb package && sed -i 's/^Version: .*/Version: 9.9/' package/DEBIAN/control &&
        dpkg-deb -b package . && rm -r package""",
    # One machine has all the addresses; what comes to the host of Clientele comes from a front server.
    "Scaling out": """for address in 5 11 20; do ip address add 10.0.0.$address/24 dev lo; done
        ip route change local 10.0.0.11 dev lo table local src 10.0.0.5""",
    # The first host refuses connections.
    "Failover of the database": """printf '10.0.0.21 db1\n10.0.0.20 db2\n' >> /etc/hosts; ip address add 10.0.0.21/24 dev lo
        cd /etc/postgresql/*/main && echo 'hostssl clientele clientele_serve 10.0.0.0/24 scram-sha-256' >> pg_hba.conf
        runuser -u postgres -- psql -qc "ALTER ROLE clientele_serve PASSWORD 'secret'" -c "ALTER SYSTEM SET listen_addresses = '10.0.0.20'"
        systemctl restart postgresql
        echo '*:*:clientele:clientele_serve:secret' > /etc/clientele.pgpass; chown clientele /etc/clientele.pgpass; chmod 0600 /etc/clientele.pgpass
        install -D -m 0644 /usr/share/clientele/conf/systemd/clientele-tcp.conf /etc/systemd/system/clientele.service.d/tcp.conf
        printf '[Service]\nIPAddressAllow=10.0.0.0/24\n' > /etc/systemd/system/clientele.service.d/hosts.conf
        mkdir -p /etc/systemd/system/clientele.socket.d; printf '[Socket]\nPrivateNetwork=no\n' > /etc/systemd/system/clientele.socket.d/tcp.conf
        systemctl daemon-reload; systemctl stop clientele.service clientele.socket; systemctl start clientele.socket clientele.service""",
    "Metrics": "ip address add 10.0.0.9/24 dev lo",
    "Backup": A_CUSTOMER,
    "Restore to a moment": A_CUSTOMER,
    "Invoices": A_SUBSCRIPTION,
}
WHERE = {"README.md": "clientele", "doc/tour.md": "clientele", "Installing elsewhere": "elsewhere", "Upgrades": "new"}
ANSWERS = "curl -fsS http://localhost:8080/api/v1/customers -H \"x-api-key: $key\""
PROOF = {
    "The log": f"{ANSWERS} && grep -q request_id= /var/log/clientele/clientele.log",
    "Stopping": ANSWERS,
    "A web server of another group": f"{ANSWERS} && test $(stat -c %G /run/clientele/clientele.sock) = www-data",
    "TCP": f"{ANSWERS} && test $(systemctl show -P PrivateNetwork clientele.service) = no",
    "Installing elsewhere": "! find /usr/local -name '*clientele*' -type f | grep .",
    "Rate limits": "! clientele key list | grep -q 1000/m",
    "Metrics": f"""{ANSWERS} && curl -fsS --interface 10.0.0.9 http://localhost:9181/metrics | grep -q '^clientele_listen_queue_limit 1024' &&
        ! curl -fsS http://localhost:9181/metrics && ! curl -fsS -X POST --unix-socket /run/clientele/metrics.sock http://localhost/stop""",
    # Two more than there were, which is one for each processor and at least two, less one.
    "Scaling up": "n=$(nproc); [ $n -gt 1 ] || n=2; clientele workers | grep -q \"^$((n + 1)) of $((n + 1)) workers\"",
    "Scaling out": f"{ANSWERS} && ! test -e /run/clientele/clientele.sock",
    "PgBouncer": f"""{ANSWERS} && runuser -u postgres -- psql -p 6432 -U clientele_serve -XAtc 'SELECT 1' clientele 2>&1 | grep -q password &&
        journalctl -u pgbouncer | grep -q 'login attempt: db=clientele user=clientele_serve'""",
    "Failover of the database": "runuser -u postgres -- psql -XAtc 'SHOW synchronous_standby_names' | grep -q standby2",
    "Upgrades": f"{ANSWERS} && dpkg-query -W clientele | grep -q 9.9",
    "Restore": "test $(customers -p 5433) -gt 0 && test $(customers -p 5433) = $(customers)",
    "Invoices": "clientele subscription list --org acme --env live --state active | grep -q ' Pro '",
    "Restore to a moment": "test $(customers -p 5434) -gt 0 && test $(customers) = 0",
}
CUSTOMERS = "customers() { (cd / && runuser -u postgres -- psql -XAt \"$@\" clientele -c 'SELECT count(*) FROM customer'); }"
# What stands in a block for something that only this machine knows, and the script that says it.
EXAMPLES = {
    "KEY_ID": "clientele key list | awk 'NR == 2 { print $1 }'",
    "INVOICE_ID": "clientele invoice list --org acme --env live | awk 'NR == 2 { print $1 }'",
    "2026-11-21 07:00:00+00": """sleep 1; date -u '+%F %T.%6N+00'; sleep 1
        runuser -u postgres -- psql -Xq clientele -c 'DELETE FROM event' -c 'DELETE FROM customer' -c 'SELECT pg_switch_wal()' >&2""",
}
# After a section the machine is again as README.Debian has set it up: a reader of one would not have read the others.
KEPT = "etc/clientele.conf etc/hosts etc/nginx etc/postgresql etc/systemd/system"
KEEP = f"tar -C / -cf /root/.kept {KEPT}"
RESTORE = f"""
systemctl stop clientele.service clientele.socket
(cd / && rm -rf {KEPT}; tar -C / -xf /root/.kept)
runuser -u postgres -- psql -Xqc 'ALTER SYSTEM RESET ALL'
systemctl daemon-reload
systemctl reset-failed
systemctl restart postgresql nginx
systemctl start clientele.socket clientele.service
"""


class Reader:
    """Pastes block after block, and begins each document in a shell of its own."""

    def __init__(self, machine):
        self.machine, self.shell, self.document, self.heading, self.key = machine, None, None, None, ""
        self.examples = {}  # what identifiers of the documents are on this machine

    def read(self, block):
        self.turn_to(block)
        self.examples.update((text, self.here(script).split("\n")[0]) for text, script in EXAMPLES.items() if text in block.text)
        if block.kind == "sh":
            return self.shell.paste(self.filled(block.text))
        if block.kind == "console":
            return "".join(self.step(block, *pair) for pair in session(block))
        if block.name in FILES:
            put(self.machine, block)
        return ""

    def step(self, block, command, wanted):
        got = self.shell.paste(self.filled(command))
        found = printed(wanted, got, figures=block.name == "figures") if wanted else {}
        assert found is not None, f"{block.place}: {command}\n---- prints\n{got}\n---- and not\n" + "\n".join(wanted)
        self.examples.update(found)
        return got

    def filled(self, text):
        for example, value in self.examples.items():
            text = text.replace(example, value)
        return text

    def turn_to(self, block):
        if (self.document, self.heading) == (block.document, block.heading):
            return
        if self.heading == SET_UP:
            self.key = self.here("clientele key create --org acme --env live 2>/dev/null").strip()
            self.here(KEEP)
        elif self.document in (DEBIAN, OPERATIONS):
            self.here(RESTORE)
        if self.document != block.document:
            self.end()
            self.shell = Shell(self.machine)
            self.shell.paste(f"cd /root/{WHERE.get(block.document, '')}; key={self.key}")
        self.here(BEFORE.get(block.heading, "true"))
        if block.document in (DEBIAN, OPERATIONS):
            self.shell.paste(f"cd /root/{WHERE.get(block.heading, '')}")
        self.document, self.heading = block.document, block.heading

    def here(self, script, check=True):
        """Runs it on the machine, but not in the reader's shell."""
        return self.machine.run(f"cd /root; key={self.key}\n{CUSTOMERS}\n{script}", check).stdout

    def prove(self, heading):
        """Some of it takes the machine a moment."""
        said = []
        try:
            wait_until(lambda: said.append(self.here(f"if {PROOF[heading]}; then echo PROVED; fi")) or "PROVED" in said[-1], 20)
        except AssertionError:
            pytest.fail(f"{heading}: not so: {PROOF[heading]}\n{said[-1]}")

    def end(self):
        if self.shell:
            self.shell.end()


# Downloads what the demo and the blocks install; iproute2 is for BEFORE.
FETCH = """cd /root/clientele && . scripts/lib.sh &&
apt-get install -d -q --no-install-recommends "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}" nginx &&
apt-get install -d -q build-essential debhelper procps pgbouncer && apt-get build-dep -d -q ./ && apt-get install -q iproute2"""


@pytest.fixture(scope="module")
def reader(folder, new_debian):
    machine = Machine(new_debian("read", FETCH, clone="root/clientele"), folder / "read.log")
    reader = Reader(machine)
    try:
        yield reader
    finally:
        reader.end()
        machine.end()


def items():
    """The blocks in their order, and after the last one of a section what must be true then."""
    made = []
    for block, after in zip(STEPS, [*STEPS[1:], None]):
        made.append(pytest.param(block, None, id=block.place))
        if block.heading in PROOF and (after is None or after.heading != block.heading):
            made.append(pytest.param(None, block.heading, id=f"{block.document}-proof: {block.heading}"))
    assert set(PROOF) | set(BEFORE) <= {block.heading for block in STEPS}
    return made


@pytest.mark.parametrize("block, heading", items())
def test_the_reader_gets_what_the_document_says(reader, block, heading):
    if heading:
        reader.prove(heading)
    elif block.kind in COMMANDS and not block.runs:
        pytest.skip(block.reason)
    else:
        print(reader.read(block))
