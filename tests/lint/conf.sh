#!/usr/bin/env bash
# The table of configuration keys (src/conf/conf.c), the sample and the manual name the same keys and defaults, the
# manual begins with the sentences of the table, and the front servers let through what Clientele takes.
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY'
import pathlib, re, sys

bad = []
table = dict(re.findall(r'^\t\{ "(\w+)", "([^"]*)",', pathlib.Path("src/conf/conf.c").read_text(), re.M))
sample = dict(re.findall(r"^#?(\w+) =[ \t]*(.*?)[ \t]*$", pathlib.Path("conf/clientele.conf").read_text(), re.M))
manual = set(re.findall(r"^\.It \w+ (\w+)", pathlib.Path("man/clientele.conf.5").read_text(), re.M))
if not table:
    bad.append("src/conf/conf.c: no keys found")
owners = dict(re.findall(r"^#?(\w+) =[ \t]*(.*?)[ \t]*$", pathlib.Path("conf/clientele-owner.conf").read_text(), re.M))
if owners != {key: default for key, default in table.items() if key == "database_owner_url"}:
    bad.append("conf/clientele-owner.conf: it has not just database_owner_url with its default")
for key, default in table.items():
    if key in owners:
        pass
    elif key not in sample:
        bad.append(f"conf/clientele.conf: {key} is missing")
    elif sample[key] != default:
        bad.append(f"conf/clientele.conf: {key} = {sample[key]}, the default is {default!r}")
    if key not in manual:
        bad.append(f"man/clientele.conf.5: {key} is missing")
bad += [f"conf/clientele.conf: there is no key {key}" for key in sample if key not in table]
bad += [f"man/clientele.conf.5: there is no key {key}" for key in manual if key not in table]

sentences = {name: "".join(re.findall(r'"([^"]*)"', text)) for name, text in re.findall(
    r'^\t\{ "(\w+)", (?:[^{]|\n)*?AT\(\w+\),\n((?:\t    "[^"]*"\s*)+) \},', pathlib.Path("src/conf/conf.c").read_text(), re.M)}
items = dict(re.findall(r"^\.It Ic (\w+)\n((?:(?!\.It|\.El).*\n)*)", pathlib.Path("man/clientele.conf.5").read_text(), re.M))
for key in table:
    if not " ".join(items.get(key, "").split()).startswith(sentences.get(key, "-")):
        bad.append(f"man/clientele.conf.5: {key} does not begin as in the table: {sentences.get(key)}")

(upload,) = (int(n) for n in re.findall(r"UPLOAD_MAX_BYTES = (\d+) \* 1024 \* 1024,", pathlib.Path("src/base/limits.h").read_text()))
for path, pattern, wanted in (("conf/nginx-clientele.conf", r"client_max_body_size (\d+)m;", upload),
                              ("conf/lighttpd-clientele.conf", r"server.max-request-size := (\d+)", upload * 1024),
                              ("conf/apache.conf", r"LimitRequestBody (\d+)", upload * 1024 * 1024),
                              ("conf/Caddyfile", r"\tmax_size (\d+)MiB", upload + 1)):
    if [int(n) for n in re.findall(pattern, pathlib.Path(path).read_text())] != [wanted]:
        bad.append(f"{path}: the limit of bodies is not UPLOAD_MAX_BYTES")
print("\n".join(bad))
sys.exit(bool(bad))
PY
