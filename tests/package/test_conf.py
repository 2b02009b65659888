"""clientele conf: front servers' files with the values of the configuration in force."""

import re
import shutil

import pytest
import requests

from stack import ROOT, Front

KINDS = Front.KINDS + Front.MORE
SHIPPED_DATADIR = "/usr/local/share/clientele"


def conf(place, *arguments, check=True):
    return place.run(place.bin, "-c", "/dev/null", *arguments, check=check)


def body(text):
    """Without the comment at the head."""
    return re.sub(r"\A(#.*\n)+\n", "", text)


def shipped(name):
    return body((ROOT / "conf" / name).read_text())


def sample(kind):
    """What the files of conf/ are together."""
    if kind == "nginx":
        rules = re.sub(r"(?m)^(?=.)", "\t", shipped("nginx-clientele.conf"))
        return shipped("nginx-site.conf").replace("\tinclude nginx-clientele.conf;\n", rules)
    if kind == "lighttpd":
        return shipped("lighttpd-site.conf") + "\n" + shipped("lighttpd-clientele.conf")
    return shipped("Caddyfile" if kind == "caddy" else "apache.conf")


@pytest.mark.parametrize("kind", KINDS)
def test_for_the_defaults_it_is_the_shipped_sample(place, kind):
    text = body(conf(place, "conf", kind).stdout)
    assert re.sub(r'"/[^"]*(/conf/lighttpd-errors|/web)"', rf'"{SHIPPED_DATADIR}\1"', text) == sample(kind)


CHANGES = {
    "nginx": ["server {host}:{port} max_fails=0;", "fastcgi_read_timeout 12s;"],
    "lighttpd": ['("host" => "{bare}", "port" => {port})', '"read-timeout" => 12,'],
    "caddy": ["reverse_proxy {host}:{port} {{", "\tread_timeout 12s"],
    "apache": ['"fcgi://{host}:{port}/"', " timeout=12 "],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("listen, bare", [("10.1.2.3:9000", "10.1.2.3"), ("[fd00::7]:9000", "fd00::7"), ("0.0.0.0:9000", "127.0.0.1"),
                                          ("[::]:9000", "::1"), ("localhost:9000", "localhost")])
def test_address_limits_and_timeouts_are_those_of_the_configuration(place, kind, listen, bare):
    text = conf(place, f"--listen={listen}", "--request-timeout=2s", "--queue-timeout=5s", "conf", kind).stdout
    host = f"[{bare}]" if ":" in bare else bare
    for wanted in CHANGES[kind]:
        assert text.count(wanted.format(host=host, bare=bare, port=9000)) == 1, wanted
    assert "/run/clientele" not in text


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"lighttpd"}))  # whose answers are files
def test_links_of_its_own_answers_begin_with_the_public_url(place, kind):
    text = conf(place, "--public-url=https://api.example.com:8443", "conf", kind).stdout
    assert text.count('"https://api.example.com:8443') == 1


@pytest.mark.parametrize("arguments, code, words", [
    (["conf"], 64, "conf needs nginx, lighttpd, caddy or apache."),
    (["conf", "iis"], 64, 'conf takes nginx, lighttpd, caddy or apache, not "iis".'),
    (["conf", "nginx", "caddy"], 64, 'unexpected "caddy"'), (["--listen=/run/a;b", "conf", "nginx"], 78, "listen"),
    (['--listen=/run/a"b', "conf", "lighttpd"], 78, "listen"), (["--body-max=9M", "conf", "nginx"], 78, "body_max"),
    (['--public-url=https://x";', "conf", "nginx"], 78, "public_url"), (["--public-url=https://$x", "conf", "nginx"], 78, "public_url"),
])
def test_what_cannot_be_printed_is_an_error(place, arguments, code, words):
    done = conf(place, *arguments, check=False)
    assert done.returncode == code and words in done.stderr and done.stdout == ""


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_file_works(place, service, database, kind):
    """As it is, for a socket of another name; only the address that the web server listens on is a test's."""
    files = place.new("f")
    for source in place.conf.glob(f"{kind}*"):
        shutil.copytree(source, files / source.name) if source.is_dir() else shutil.copy(source, files)
    name = Front.SITES[kind][0]
    (files / name).write_text(conf(place, f"--listen=unix:{service.socket}", "conf", kind).stdout)
    if kind == "lighttpd":
        (files / "lighttpd-clientele.conf").write_text("")
    front = Front(place, kind, service.socket, files=files)
    try:
        key = database.organization(f"Conf {kind}").key("live")
        reply = requests.get(front.url + "/api/v1/customers", headers={"x-api-key": key}, timeout=10)
        assert (reply.status_code, reply.json()["object"]) == (200, "list")
        reply = requests.get(front.url + "/nothing", timeout=10)
        assert reply.status_code == 404 and reply.headers["Content-Type"] == "application/json"
    finally:
        front.stop()
