#!/usr/bin/env bash
# The table of commands (src/cli/commands.c) and clientele(8) list the same commands, arguments and options, and
# base.h and the manual the same exit codes.
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" - <<'PY'
import pathlib, re, sys

bad = []
source = pathlib.Path("src/cli/commands.c").read_text()
manual = pathlib.Path("man/clientele.8").read_text()

options = {name: word for name, word in re.findall(r'\[OPTION_(\w+)\] = \{ "([a-z-]+)"', source)}
of_all = {"json", "config", "version", "help"}  # they stand at the head of the manual
table = {}
for name, args, takes in re.findall(r'^\t\{ "([a-z ]+)", "([^"]*)",([^"]*?)CMD_', source.split("cmd_table[] =")[1], re.M):
    words = {word.lower() for word in re.findall(r"[A-Za-z]+", args)}
    flags = {options[option] for option in re.findall(r"OPTION\((\w+)\)", takes)} - of_all
    table[name] = (words, flags)
if not table or len(table) != len(re.findall(r"cmd_\w+,\n", source)):
    bad.append(f"src/cli/commands.c: {len(table)} rows were understood")

commands = manual.split(".Sh COMMANDS")[1].split("\n.Sh ")[0]
listed = {}
for item in re.findall(r"^\.It (Xo\n(?:.*\n)*?\.Xc|Ic .*)$", commands, re.M):
    line = " ".join(part.lstrip(".") for part in item.removeprefix("Xo\n").removesuffix("\n.Xc").split("\n"))
    name = re.match(r"Ic ([a-z ]+?)(?= (?:Op|Ar|Cm|Fl|Ns)\b|$)", line).group(1)
    flags = set(re.findall(r"Fl -([a-z-]+)", line))
    outside = re.sub(r"Fl -[a-z-]+(?: Ns Op = Ns)?(?: (?:Ar|Cm) [a-z]+(?: \| [a-z]+)*)?", "", line[3 + len(name):])
    words = set(re.findall(r"\b[a-z]+\b", outside))
    listed[name] = (words, flags)
for name in table.keys() | listed.keys():
    if name not in listed:
        bad.append(f"man/clientele.8: the command {name} is missing")
    elif name not in table:
        bad.append(f"man/clientele.8: there is no command {name}")
    else:
        for what, at in (("arguments", 0), ("options", 1)):
            if table[name][at] != listed[name][at]:
                bad.append(f"man/clientele.8: {name} has the {what} {sorted(listed[name][at])}, the table {sorted(table[name][at])}")
for word in of_all:
    if not re.search(rf"^\.It Fl (\w , )?-{word}\b", manual, re.M):
        bad.append(f"man/clientele.8: the option --{word} is missing")

codes = {int(number) for number in re.findall(r"^\tEXIT_\w+ = (\d+),", pathlib.Path("src/base/base.h").read_text(), re.M)}
told = {int(number) for number in re.findall(r"^\.It (\d+)$", manual.split(".Sh EXIT STATUS")[1].split("\n.Sh ")[0], re.M)}
if not codes or told != codes | {0}:
    bad.append(f"man/clientele.8: the exit codes are {sorted(told)}, base.h has {sorted(codes | {0})}")

keys = set(re.findall(r'^\t\{ "(\w+)", "', pathlib.Path("src/conf/conf.c").read_text(), re.M))
bad += [f"src/cli/commands.c: --{word} is a key of the configuration, too" for word in options.values() if word.replace("-", "_") in keys]
print("\n".join(bad))
sys.exit(bool(bad))
PY
