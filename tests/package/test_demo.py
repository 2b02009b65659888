"""
scripts/demo on a bare Debian, booted in a container: what it finds out before it installs anything, that it needs no more
than it installs, its dashboard and its shop, and that it leaves a machine on which the package is set up as README.Debian says.
"""

import json
import re
import shutil

import pytest

from blocks import follow_readme
from machine import Machine, in_folder, run
from stack import ROOT, wait_until


@pytest.fixture(scope="module")
def machine(package, new_debian):
    """The source is in /clientele. Without a network, apt has what is to be installed in its cache."""
    lists = '. /clientele/scripts/lib.sh && echo "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}" nginx'
    needed = run("bash", "-c", lists.replace("/clientele", str(ROOT), 1)).stdout.split()
    download = "apt-get install -q --no-install-recommends --download-only"
    root = new_debian("demo", f"{download} {' '.join(needed)}", clone="clientele")
    shutil.copy(package, root / "clientele.deb")
    in_folder(root, f"{download} /clientele.deb")
    machine = Machine(root, root.with_name("demo.log"))
    yield machine
    machine.end()


def packages(machine):
    return machine.run("dpkg-query -W").stdout


def demo(machine, arguments, check=True):
    return machine.run(f"cd /clientele && scripts/demo {arguments}", check=check)


def assert_refused(machine, words):
    """`scripts/demo up` says so, and has installed and built nothing."""
    before = packages(machine)
    done = demo(machine, "up", check=False)
    assert done.returncode == 1 and words in done.stdout, done.stdout
    assert packages(machine) == before and machine.run("ls /clientele/configure /clientele/var/build", check=False).returncode != 0


def test_a_busy_port_is_found_before_anything_is_installed(machine):
    machine.run("systemd-run --unit=busy systemd-socket-activate --listen=127.0.0.1:8080 --listen=127.0.0.1:8081 /bin/sleep inf")
    wait_until(lambda: machine.run("exec 3<>/dev/tcp/127.0.0.1/8081", check=False).returncode == 0, 10, "a busy port")
    assert_refused(machine, "port 8080 is in use by something else.\n  Choose another: scripts/demo --port 8082\n")
    machine.run("systemctl stop busy")


def test_an_old_postgresql_is_found_before_anything_is_installed(machine):
    folder = "/usr/lib/postgresql/13/bin"
    machine.run(f"mkdir -p {folder} && printf '#!/bin/sh\\necho \"initdb (PostgreSQL) 13.21\"\\n' >{folder}/initdb && chmod +x {folder}/initdb")
    assert_refused(machine, "PostgreSQL 13 is too old: it must be 15 or newer.")
    machine.run("rm -r /usr/lib/postgresql")


def test_it_installs_what_it_needs_and_answers(machine):
    output = demo(machine, "up").stdout
    first = re.search(r"^curl .*/customers/user_1 .*$", output, re.M).group(0)
    assert '"fullName":"Ada Lovelace"' in machine.run(first).stdout, output
    assert output.count("there is no dashboard: scripts/demo up --web installs it.") == 1 and "/dashboard/" not in output
    assert output.index("the API answers after") < output.index("a shop with 2,000 customers"), output


def ask(machine, path, key="CLIENTELE_SHOP_SANDBOX_KEY"):
    return json.loads(machine.run(f". /clientele/var/demo/env && curl -fsS \"$CLIENTELE_URL/api/v1/{path}\" -H \"x-api-key: ${key}\"").stdout)


@pytest.mark.parametrize("key", ["CLIENTELE_SHOP_KEY", "CLIENTELE_SHOP_SANDBOX_KEY"])
def test_the_shop_has_two_thousand_customers_of_many_countries(machine, key):
    shown = ask(machine, "customers?limit=100&count=exact", key)
    assert shown["count"] == 2000
    assert len({one["timezone"] for one in shown["data"]}) >= 6 and ask(machine, f"customers/{shown['data'][0]['id']}", key)["address"]
    assert all(re.fullmatch(r"[a-z.]+\d+@example\.(com|org)", one["email"]) and one["metadata"]["cameBy"] for one in shown["data"])


@pytest.mark.parametrize("key, never", [("CLIENTELE_SHOP_KEY", ["past_due"]), ("CLIENTELE_SHOP_SANDBOX_KEY", [])])
def test_the_shop_has_subscriptions_in_every_state_that_time_allows(machine, key, never):
    states = ("draft", "pending_payment", "trialing", "active", "past_due", "canceled")
    assert [state for state in states if not ask(machine, f"subscriptions?limit=1&status={state}", key)["data"]] == never


def test_the_shop_has_invoices_in_every_state_that_there_is(machine):
    states = ("outstanding", "paid", "void", "uncollectible")
    assert all(ask(machine, f"invoices?limit=1&status={state}")["data"] for state in states)


def test_the_plans_of_the_shop_have_prices_and_an_order(machine):
    (group, ) = ask(machine, "plan-groups")["data"]
    assert [plan["code"] for plan in ask(machine, f"plan-groups/{group['id']}")["plans"]] == ["club", "home", "studio", "office"]
    assert {plan["code"]: len(plan["prices"]) for plan in ask(machine, "plans")["data"]} == {
        "crew": 0, "gift": 1, "office": 2, "studio": 3, "home": 3, "club": 0}


def enter(machine, link):
    """What the page does with the link: the session, or the code of the refusal."""
    origin, token = re.fullmatch(r"(http://localhost:\d+)/dashboard/accept#(\S+)", link).groups()
    done = machine.run(f"curl -sS {origin}/api/v1/session/enter -H 'X-CSRF-Token: 1' -H 'Content-Type: application/json' -d '{{\"token\":\"{token}\"}}'")
    return json.loads(done.stdout)


def test_it_ends_with_a_link_that_signs_in_once(machine, web):
    """The port of the demo that runs is not busy; and what is built of the dashboard needs no Node.js."""
    shutil.copytree(web, machine.root / "clientele/web/dist")
    output = demo(machine, "up").stdout
    assert "ready after" in output and not re.search("^  a shop with", output, re.M)
    for part in ("dashboard", "docs"):
        page = machine.run(f"curl -fsS http://localhost:8080/{part}/").stdout
        assert page == (web / part / "index.html").read_text()
    assert re.search(r"http://localhost:8080/docs\.$", output, re.M)
    (link, ) = re.findall(r"^http://localhost:8080/dashboard/accept#\S+$", output, re.M)
    session = enter(machine, link)
    assert session["organization"]["name"] == "Larkspur" and session["livemode"]
    assert [one["name"] for one in session["organizations"]] == ["Acme", "Larkspur"]
    assert "organization" not in enter(machine, link)
    another = machine.run(". /clientele/var/demo/env && clientele user link owner@example.com").stdout.strip()
    assert enter(machine, another)["user"]["email"] == "owner@example.com"


def test_installing_starts_nothing_and_changes_nothing_else(machine):
    demo(machine, "clean")
    assert machine.run("systemctl is-active nginx postgresql@15-main", check=False).stdout.split() == ["inactive", "inactive"]
    assert machine.run("systemctl is-enabled nginx postgresql", check=False).stdout.split() == ["enabled", "enabled"]
    assert machine.run("pg_lsclusters --no-header").stdout.split()[:4] == ["15", "main", "5432", "down"]
    # Nothing in /etc and /usr but what belongs to a package or is made by one.
    assert machine.run("ls /usr/sbin/policy-rc.d /etc/postgresql-common/createcluster.d", check=False).returncode == 2
    assert machine.run("grep -rIl clientele /etc /usr/local /usr/sbin", check=False).stdout == ""


def test_the_package_is_set_up_after_it_as_readme_debian_says(machine):
    machine.run("apt-get install -q --no-install-recommends /clientele.deb")
    _, first = follow_readme(machine)
    assert " 200 OK" in first and '"object":"list"' in first, first
