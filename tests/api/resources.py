"""
What a test has to know of a resource: one description each, RESOURCE in tests/api/NAME/resource.py. test_resources.py
does with every one of them what must hold for any.
"""

import importlib.util
from pathlib import Path

from helpers import CURRENT, VERSIONS, at_least, uid

# ---------------------------------------------------------------- versions


def among(version, since, until):
    return at_least(version, since) and (until is None or not at_least(version, until))


def members(*rows):
    """A function of a version: the names that it has. A row is a name, or (name, since, until)."""
    rows = [(row, VERSIONS[0], None) if isinstance(row, str) else row for row in rows]
    return lambda version: {name for name, since, until in rows if among(version, since, until)}


# ---------------------------------------------------------------- fields


class Field:
    """
    A member of a body. shown: "made", "read" or "no": in every answer, in the one of a GET alone, nowhere. good are
    values that are taken, bad are pairs of a value that is not and the name that the refusal gives it.
    """
    good, bad = (), ()

    def __init__(self, name, required=False, create_only=False, since=VERSIONS[0], until=None, shown="made", cleared=False):
        self.cleared = cleared  # an empty value takes it away in an update
        self.name, self.required, self.create_only, self.shown = name, required, create_only, shown
        self.since, self.until = since, until

    def __repr__(self):
        return self.name

    def exists(self, version):
        return among(version, self.since, self.until)

    @property
    def newest(self):
        """The last version that has it."""
        return [version for version in VERSIONS if self.exists(version)][-1]

    def refuse(self, *values):
        return [(value, self.name) for value in values]


class Text(Field):
    def __init__(self, name, most, least=0, **more):
        super().__init__(name, **more)
        self.good = ["x" * max(least, 1), "x" * most, "\U0001f600" * most, " 'a' \"b\" \\ \u00e9 "]
        self.bad = self.refuse(1, True, [], {}, 1.5, "x" * (most + 1), "\U0001f600" * (most + 1), *([""] if least else []))


class Code(Field):
    def __init__(self, name, most, value, **more):
        super().__init__(name, **more)
        self.good = [value(), value() + "_" + "x" * (most - len(value()) - 1)]
        self.bad = self.refuse(1, True, [], {}, 1.5, "", "Pro", "a-b", "a b", "\u00e9", "a.", "x" * (most + 1))


class Email(Field):
    def __init__(self, name, most, **more):
        super().__init__(name, **more)
        self.good = ["a@b.co", "x" * (most - 5) + "@b.co", "j\u00f6rg@\u00e9.example"]
        self.bad = self.refuse(1, True, [], {}, "", "nobody", "a@b", "x" * (most - 4) + "@b.co")


class Choice(Field):
    def __init__(self, name, values, **more):
        super().__init__(name, **more)
        self.good = list(values)
        self.bad = self.refuse(1, True, [], {}, "", "none of them", values[0] + " ", values[0].swapcase())


class Integer(Field):
    def __init__(self, name, most, **more):
        super().__init__(name, **more)
        self.good = [1, 2, most]
        self.bad = self.refuse("1", True, [], {}, 0, -1, 1.5, most + 1, 2**32 + 1, 2**64 + 1)


class Boolean(Field):
    good = [True, False]

    def __init__(self, name, **more):
        super().__init__(name, **more)
        self.bad = self.refuse("true", 0, 1, [], {})


class Uuid(Field):
    good = ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"]

    def __init__(self, name, **more):
        super().__init__(name, **more)
        self.bad = self.refuse(1, True, [], {}, "", "x", self.good[0] + "0", self.good[0].replace("-", ""))


class Object(Field):
    """parts: names with whether they are required; fixed: values of those that take no text of one's own."""

    def __init__(self, name, parts, most, fixed, **more):
        super().__init__(name, **more)
        full = {part: fixed.get(part, "x" * most) for part in parts}
        self.good = [full, {part: value for part, value in full.items() if parts[part]}]
        self.bad = self.refuse(1, True, "x", [1])
        for part, required in parts.items():
            for value in (1, True, [], {}, *([] if part in fixed else ["x" * (most + 1)]), *([None] if required else [])):
                self.bad.append(({**full, part: value}, f"{name}.{part}"))
        self.bad += [({key: full[key] for key in full if key != part}, f"{name}.{part}") for part in parts if parts[part]]


class Metadata(Field):
    good = [{}, {"a": [1, {"b": None}], "\u00e9": "x"}, {str(i): i for i in range(999)}]

    def __init__(self, name, **more):
        super().__init__(name, **more)
        deep = {}
        for _ in range(9):
            deep = {"d": deep}
        self.bad = self.refuse(1, True, "x", [1], {"x": "y" * 16384}, deep, {str(i): i for i in range(1001)})


# ---------------------------------------------------------------- resources


class Write:
    """One kind of a write: made(client) returns (method, path, body) of a new one, for which all is prepared."""

    def __init__(self, name, made, since=VERSIONS[0], body=True):
        self.name, self.made, self.since, self.takes_body = name, made, since, body

    def __repr__(self):
        return self.name


class Resource:
    """
    path        of the collection
    prefix      of its ids
    body        a function of a client: the smallest body of a create, each time another one, for which all is prepared
    differs     members that versions show in their own ways
    fields      what comes in
    made, read  functions of a version: the members of a created one, and of one that is read (in a list: listed)
    one         the methods below path/{id}, of those that need no body or take one without members
    newest      further ones, which the current version alone has and other tests try
    update      those of them that change it
    missing     the code for an id that is not there
    unique      the field that no two may have the same value of; unique_on: "create", "update"; value: makes one
    nested      {path with two ids: method}, and from which version on
    table       where its rows are
    grants      what the serving role may do with that: rights, or RIGHT.column
    more_tables further tables of its rows, with their grants
    unknown     a member that no create knows, and that changes nothing
    """

    def __init__(self, name, path, prefix, table, grants, body, fields, made, missing, one, read=None, listed=None, update=(), since=VERSIONS[0],
                 unique=None, unique_on=(), value=uid, nested=None, nested_since=CURRENT, differs=(), more_tables=None, unknown=({"a": [1, "\u00e9/"], "b": None}), newest=()):
        self.name, self.path, self.prefix, self.table, self.grants = name, path, prefix, table, grants
        self.body, self.fields, self.differs = body, fields, set(differs)
        self.made, self.read, self.listed, self.missing = made, read or made, listed or made, missing
        self.one, self.update, self.since, self.unknown = one, update, since, unknown
        self.value, self.newest = value, newest
        self.tables = {table: grants, **(more_tables or {})}
        self.unique, self.unique_on, self.nested, self.nested_since = unique, unique_on, nested or {}, nested_since

    def __repr__(self):
        return self.name

    @property
    def versions(self):
        return [version for version in VERSIONS if at_least(version, self.since)]

    @property
    def writes(self):
        found = [Write("create", lambda client: ("POST", self.path, self.body(client)), self.since)]
        for method in self.update:
            found.append(Write(method.lower(), lambda client, method=method: (
                method, f"{self.path}/{self.create(client)['id']}", self.change()), self.since))
        for path, method in self.nested.items():
            found.append(Write("nested", lambda client, path=path, method=method: (
                method, path.format(self.create(client)["id"], self.create(client)["id"]), None), self.nested_since, body=False))
        return found

    def field(self, name):
        (found,) = [field for field in self.fields if field.name == name]
        return found

    def create(self, client, **more):
        return client.post(self.path, {**self.body(client), **more}).ok(201).data

    def change(self):
        """A body that changes something."""
        field = next(field for field in self.fields if not field.create_only and field.until is None and field.name != self.unique
                     and field.since == VERSIONS[0])
        return {field.name: field.good[-1]}

    def walk(self, client, limit=None):
        """All rows, page by page."""
        rows, cursor = [], None
        while True:
            query = "&".join(part for part in (f"limit={limit}" if limit else "", f"cursor={cursor}" if cursor else "") if part)
            page, cursor = client.get(self.path + ("?" + query if query else "")).rows()
            rows += page
            if cursor is None:
                return rows
            assert len(page) == (limit or 25), "a page with a successor is full"


def load(path):
    spec = importlib.util.spec_from_file_location(f"resource_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RESOURCE


RESOURCES = [load(path) for path in sorted(Path(__file__).parent.glob("*/resource.py"))]


def by_name(name):
    (found,) = [resource for resource in RESOURCES if resource.name == name]
    return found
