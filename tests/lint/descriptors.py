"""
What src/ says of the resources, read from its tables: routes, fields, filters, columns, constraints, errors. Used by
openapi.py; run by itself (descriptors.sh, in the source folder) it prints where a table contradicts another one.

A row that cannot be read is an error, never skipped.
"""

import functools
import re
import sys
from pathlib import Path

ROUTE_WRITES, ROUTE_PUBLIC = "ROUTE_WRITES", "ROUTE_PUBLIC"
bad = []


def code(text):
    """C without comments."""
    return re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group(0).count("\n"), text, flags=re.S)


def split(text):
    """The parts between commas, of which those inside brackets and quotes do not count."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, letter in enumerate(text):
        if letter == '"' and text[i - 1:i] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (letter in "({[") - (letter in ")}]")
            if letter == "," and depth == 0:
                parts.append(text[start:i].strip())
                start = i + 1
    return [part for part in [*parts, text[start:].strip()] if part]


def braced(text, start):
    """What stands between the brace at start and its partner."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[start + 1:i]
    raise ValueError("a brace without its partner")


def string(text):
    """What a string literal holds; adjacent ones are one."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))


@functools.lru_cache(None)
def constants(*paths):
    """Names of enums and of macros without parameters, with their text or number."""
    found = {}
    for path in paths:
        text = code(Path(path).read_text())
        for match in re.finditer(r"\benum\b[^{};()]*\{", text):
            value = -1
            for part in split(braced(text, match.end() - 1)):
                name, _, given = (word.strip() for word in part.partition("="))
                value = given if given else (value + 1 if isinstance(value, int) else f"({value}) + 1")
                found[name] = value
        for name, value in re.findall(r"(?m)^#define[ \t]+(\w+)[ \t]+(.+)$", text):
            found.setdefault(name, value)
    return found


def number(text, names):
    """The value of a constant expression, or None when it is none."""
    for _ in range(20):
        text = str(text)
        words = [word for word in re.findall(r"[A-Za-z_]\w*", text) if word in names]
        if not words:
            break
        text = re.sub(rf"\b{words[0]}\b", lambda _: f"({names[words[0]]})", text)
    return eval(text, {"__builtins__": {}}) if re.fullmatch(r"[\s\d()+*|<-]+", text) else None


class Table(list):
    """Rows of a table of C, each a list of the texts between its commas."""

    def __init__(self, resource, name, columns, text=None):
        text = resource.code if text is None else text
        found = re.search(rf"\b{name}\[\] = \{{", text)
        self.known = found is not None
        for row in split(braced(text, found.end() - 1)) if found else ():
            row = row.removeprefix("{").removesuffix("}") if row.startswith("{") else row
            cells = split(row)
            if len(cells) != columns:
                bad.append(f"{resource.name}: a row of {name} that cannot be read: {' '.join(row.split())}")
            else:
                self.append(cells)


class Resource:
    def __init__(self, name, files):
        self.name, self.files = name, files
        self.code = "\n".join(code(path.read_text()) for path in files if path.suffix in (".c", ".h"))
        for name, text in re.findall(r'(?m)^#define (\w+)[ \t]+(".*")$', self.code):
            self.code = re.sub(rf"(?<!#define )\b{name}\b", lambda _: text, self.code)
        headers = [*files, *Path("src").glob(f"[!r]*/{name}.h"), Path("src/base/limits.h")]
        self.constants = constants(*(path for path in headers if path.suffix in (".c", ".h")))
        self.own_constants = constants(*(path for path in headers[:-1] if path.suffix == ".h"))
        match = re.search(r'\.name = "(\w+)"', self.code)
        self.said_name = match and match.group(1)
        self.routes = [(row[0].removeprefix("METHOD_"), string(row[1]), row[2], row[3]) for row in Table(self, "routes", 5)]
        self.constraints = [(string(row[0]), row[1], string(row[2])) for row in Table(self, "constraints", 4)]
        self.options = [(string(row[0]), row[2], row[3]) for row in Table(self, r"\w*options", 4)]
        self.filters = [(string(row[0]), row[2], row[3]) for table in ("filters", "keyed") for row in Table(self, table, 4)]
        self.errors = errors_of(path for path in files if path.name == "errors.def")
        # What the folder shows, the resource first; a file has the tables of one.
        texts = [code(path.read_text()) for path in files if path.suffix == ".c"]
        self.shapes = [Shape(self, text) for text in texts if re.search(r"struct fields \w+ = \{", text)] or [Shape(self, "")]
        self.fields_in = [field for shape in self.shapes for field in shape.fields_in]
        self.fields_out = [field for shape in self.shapes for field in shape.fields_out]
        self.object, self.prefix = self.shapes[0].object, self.shapes[0].prefix
        self.has_table = re.search(r"\bSQL_\w+", self.code) is not None

    def shape(self, object):
        """The one with this object; without a name, the resource itself."""
        return next(shape for shape in self.shapes if object in ("", shape.object))

    def list(self, name):
        """(names, parts) of a field_list: one of them is there."""
        text = re.search(rf"struct field_list {name.removeprefix('&')} = \{{", self.code)
        text = braced(self.code, text.end() - 1) if text else ""
        names, parts = re.search(r"\.names = (\w+)", text), re.search(r"\.parts = (\w+)", text)
        if not names and not parts:
            bad.append(f"{self.name}: there is no list {name}")
        return (self.strings(names.group(1)) if names else None,
                {string(row[0]).split(".")[1]: row for row in Table(self, parts.group(1), 6)} if parts else None)

    def strings(self, table):
        found = re.search(rf"\b{table}\[\] = \{{", self.code)
        return [string(part) for part in split(braced(self.code, found.end() - 1))]


class Shape:
    """What a file with a struct fields says: the tables of one kind of object."""

    def __init__(self, resource, text):
        fields = re.search(r"struct fields \w+ = \{", text)
        description = braced(text, fields.end() - 1) if fields else ""
        self.fields_in = [FieldIn(resource, row) for row in Table(resource, "fields_in", 8, text)]
        self.fields_out = [FieldOut(resource, row) for row in Table(resource, "fields_out", 5, text)]
        self.refuses_unknown = ".unknown = " in description
        self.object = string(next(iter(re.findall(r"\.object = (\"\w+\")", description)), ""))
        prefix = next(iter(re.findall(r"\.prefix = ([^,]+),", description)), "")
        self.prefix = string(str(resource.constants.get(prefix, prefix)))


class FieldIn:
    """A row of fields_in."""

    def __init__(self, resource, row):
        self.name, self.member = string(row[0]), row[1].split("(")[1].split(",")[0]
        self.kind, self.flags = row[2].removeprefix("FIELD_"), {flag.strip().removeprefix("FIELD_") for flag in row[3].split("|")}
        self.limit, self.most = row[4], number(row[4], resource.constants)
        self.since, self.until = row[5], row[6]
        self.names, self.parts = resource.list(row[7]) if row[7] != "NULL" else (None, None)


class FieldOut:
    """A row of fields_out."""

    def __init__(self, resource, row):
        cells = split(row[0].split("(", 1)[1].removesuffix(")"))  # FIELD_OUT(name, show, member)
        self.name, self.show = string(cells[0]), "PART" if row[0].startswith("FIELD_PART") else cells[1]
        self.views, self.since, self.until = number(row[1], resource.constants), row[2], row[3]
        if self.views is None:
            bad.append(f"{resource.name}: views of {self.name} that cannot be read: {row[1]}")
            self.views = 0


def errors_of(paths):
    """{name: (code, type, status)}"""
    rows = [row for path in paths for row in re.findall(r'^ERR\((\w+),\s*(\d+),\s*"(\w+)",\s*"(\w+)"', path.read_text(), re.M)]
    return {name: (code, kind, int(status)) for name, status, code, kind in rows}


@functools.lru_cache(None)
def resources():
    """{name: Resource} of the folders in src/resource."""
    folders = sorted(path for path in Path("src/resource").iterdir() if path.is_dir())
    return {path.name: Resource(path.name, sorted(path.iterdir())) for path in folders}


@functools.lru_cache(None)
def others():
    """What has routes and is no folder of src/resource."""
    return {**{name: Resource(name, [Path(f"src/app/{name}.c")]) for name in ("about", "openapi", "errors")},
            "site": Resource("site", [Path("src/site/site.c")]),
            "user": Resource("user", sorted(Path("src/user").glob("*.[ch]")) + [
                Path("src/auth/account.h"), Path("src/auth/session.h"), Path("src/base/password.h")])}


COMMON_ERRORS = errors_of([Path("src/base/err.def")])

# ---------------------------------------------------------------- statements


def queries():
    """{file: {statement: (columns of "-- out:", text)}}, {variable: its columns}"""
    found, variables = {}, {}
    for path in sorted(Path("sql/query").glob("*.sql")):
        text, found[path.stem] = path.read_text(), {}
        for name, added, value in re.findall(r"(?m)^\\set (\w+_columns) (:\1 )?'(.*)'$", text):
            columns = [word.strip().split(".")[-1] for word in value.removeprefix(", ").split(",")]
            variables[name] = variables[name] + columns if added else columns
        for name, body in re.findall(r"(?ms)^-- name: (\w+)\n(.*?)(?=^-- name: |^\\set |\Z)", text):
            out = re.search(r"(?m)^-- out: (.*)$", body)
            found[path.stem][name] = (out.group(1).split() if out else [], body)
    return found, variables


# ---------------------------------------------------------------- contradictions


def twice(what, rows):
    """rows: pairs of a key and whose it is."""
    seen = {}
    for key, owner in rows:
        if key in seen:
            bad.append(f"{owner}: the {what} {key} is {'there twice' if seen[key] == owner else f'of {seen[key]}, too'}")
        seen.setdefault(key, owner)


def check_names():
    lines = re.findall(r"(?m)^\tRESOURCE\((\w+)\)", Path("src/app/resources.c").read_text())
    for name in sorted(set(lines) ^ {*resources(), *others()}):
        bad.append(f"src/app/resources.c: {name} " + ("has no folder in src/resource" if name in lines else "is missing"))
    for name, resource in resources().items():
        if resource.said_name != name:
            bad.append(f"{name}: its descriptor calls itself {resource.said_name}")
        paths = [f"doc/openapi/{name}.yaml"] + [f"sql/query/{name}.sql"] * resource.has_table
        for path in paths:
            if not Path(path).exists():
                bad.append(f"{name}: there is no {path}")
        for what, value in (("object", resource.object), ("prefix", resource.prefix or not resource.has_table),
                            ("table of routes", resource.routes)):
            if not value:
                bad.append(f"{name}: no {what} was found")
    everything = [*resources().values(), *others().values()]
    twice("route", ((f"{method} {re.sub('{.*?}', '{}', pattern)}", resource.name)
                    for resource in everything for method, pattern, *_ in resource.routes))
    twice("prefix", ((resource.prefix, resource.name) for resource in resources().values()))
    twice("object", ((resource.object, resource.name) for resource in resources().values()))
    errors = [("base/err.def", COMMON_ERRORS), *((name, resource.errors) for name, resource in resources().items())]
    twice("error", ((f"ERR_{name}", owner) for owner, rows in errors for name in rows))
    twice("error", ((code, owner) for owner, rows in errors for code, *_ in rows.values()))


def check_statements():
    found, variables = queries()
    source = "\n".join(path.read_text() for path in Path("src").rglob("*.[ch]"))
    for name, resource in resources().items():
        for statement in found.get(name, ()):
            if not statement.startswith(f"{name}_"):
                bad.append(f"sql/query/{name}.sql: {statement} does not begin with {name}_")
        for column in variables.get(f"{name}_columns", ()):
            row = f"[COL_{name}_{column}] =".upper()
            if row not in resource.code:
                bad.append(f"{name}: the column {column} of {name}_columns has no member: there is no row {row}")
    for file, statements in found.items():
        for statement, (columns, _) in statements.items():
            owner = max((name for name in resources() if statement.startswith(f"{name}_")), key=len, default=file)
            if owner != file:
                bad.append(f"sql/query/{file}.sql: {statement} belongs in {owner}.sql")
            for column in columns:
                constant = f"COL_{statement}_{column}".upper()
                if not column.startswith(":") and not re.search(rf"\b{constant}\b", source):
                    bad.append(f"sql/query/{file}.sql: nothing in src reads {column} of {statement} ({constant})")


def check_constraints():
    migrations = "\n".join(path.read_text() for path in sorted(Path("sql/migrate").glob("*.sql")))
    made = set(re.findall(r"CONSTRAINT (\w+)\s+UNIQUE|CREATE UNIQUE INDEX (\w+)", migrations))
    made = {name for pair in made for name in pair if name}
    for name, resource in resources().items():
        fields = {field.name for field in resource.fields_in}
        for constraint, error, param in resource.constraints:
            if constraint not in made:
                bad.append(f"{name}: no migration makes the constraint {constraint}")
            if error.removeprefix("ERR_") not in {**COMMON_ERRORS, **resource.errors}:
                bad.append(f"{name}: {constraint} is answered with {error}, which there is not")
            if param not in fields:
                bad.append(f"{name}: {constraint} blames {param}, which is no field that comes in")


def check_errors():
    for name, resource in resources().items():
        for error in resource.errors:
            if not re.search(rf"\bERR_{error}\b", resource.code):
                bad.append(f"{name}: nothing ends with ERR_{error}")


if __name__ == "__main__":
    check_names()
    check_statements()
    check_constraints()
    check_errors()
    print("\n".join(dict.fromkeys(bad)))
    sys.exit(bool(bad))
