"""What `make install` puts where."""

import subprocess
from pathlib import Path

import pytest

from stack import ROOT, binary

LIST = Path(__file__).with_name("installed.txt")


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def wanted():
    """What is built of web/, too."""
    listed = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return sorted(listed + [f"share/clientele/web/{name}" for name in files(ROOT / "web" / "dist")])


@pytest.fixture(scope="module")
def build():
    folder = binary().parent
    if not (folder / "Makefile").exists():
        pytest.skip(f"{folder} is no build folder")
    return folder


def install(build, target, *variables):
    subprocess.run(["make", "-s", "-C", build, "install", f"DESTDIR={target}", *variables], check=True, capture_output=True)


def test_every_file_lands_below_destdir_and_prefix_and_no_other(build, tmp_path):
    install(build, tmp_path, "prefix=/opt/some", "sysconfdir=/opt/some/etc")
    assert files(tmp_path) == [f"opt/some/{name}" for name in wanted()]
    conf = tmp_path / "opt/some/share/clientele/conf"
    assert '"/opt/some/share/clientele/conf/lighttpd-errors"' in (conf / "lighttpd-site.conf").read_text()
    for name in ("lighttpd-site.conf", "nginx-site.conf", "Caddyfile", "apache.conf"):
        assert (conf / name).read_text().count('"/opt/some/share/clientele/web"') == 1, name


def test_every_document_is_installed():
    documents = ["README.md", "CHANGELOG.md", "SECURITY.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "doc").rglob("*.md"))]
    assert [name for name in documents if f"share/doc/clientele/{name}" not in wanted()] == []


def test_installing_twice_and_uninstalling_leaves_nothing(build, tmp_path):
    install(build, tmp_path)
    install(build, tmp_path)
    subprocess.run(["make", "-s", "-C", build, "uninstall", f"DESTDIR={tmp_path}"], check=True, capture_output=True)
    assert files(tmp_path) == []


def test_only_the_program_may_be_run_and_all_may_be_read(build, tmp_path):
    install(build, tmp_path)
    for path in tmp_path.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o755 if path.is_dir() or path.name == "clientele" and path.parent.name == "sbin" else 0o644), path
