"""
Compares the description of the API (doc/openapi/) with the tables in C, both ways: versions, routes, fields, filters,
limits, errors; each resource of src/resource with the file of its name. What one resource alone has is compared by its
own tests/api/NAME/lint_openapi.py. Prints what differs; run by openapi.sh, in the source folder.
"""

import importlib.util
import re
import sys
from pathlib import Path

sys.path[:0] = ["tests", "tests/lint"]

import descriptors  # noqa: E402
from descriptors import COMMON_ERRORS, code, constants, number, others, resources  # noqa: E402
from document import METHODS, at_version, resolved, versions, walk  # noqa: E402


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_of_" + Path(path).parent.name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


joiner = load("doc/openapi.py")
FILES = joiner.read()
# With the marks that say what a schema is to be compared with.
DOCUMENT = joiner.join(FILES, marks=True)
SCHEMAS = DOCUMENT["components"]["schemas"]
bad = descriptors.bad


def same(what, table, described):
    """table and described are dicts or sets."""
    for key in sorted(set(table) | set(described), key=str):
        if key not in described:
            bad.append(f"{what} {key}: not in the document")
        elif key not in table:
            bad.append(f"{what} {key}: only in the document")
        elif isinstance(table, dict) and table[key] != described[key]:
            bad.append(f"{what} {key}: {table[key]} in src, {described[key]} in the document")


# ---- versions

VERSIONS = re.findall(r'VERSION\((\w+), +"([^"]+)", +ENVELOPE_(\w+)\)', Path("src/http/version.h").read_text())
NAME = {f"V_{name}": text for name, text, _ in VERSIONS} | {"V_FIRST": VERSIONS[0][1], "V_ENDLESS": None}
same("version", {text: envelope.lower() for _, text, envelope in VERSIONS},
     {row["version"]: row["envelope"] for row in DOCUMENT["x-versions"]})
if [text for _, text, _ in VERSIONS] != versions():
    bad.append("the versions have another order in the document")


def has(version, since, until):
    at, names = versions().index(version), versions()
    return at >= names.index(NAME[since]) and (NAME[until] is None or at < names.index(NAME[until]))


# ---- routes


def check_routes(resource, paths):
    def permission(method, flags):
        return None if re.search("ROUTE_(PUBLIC|PERSONAL)", flags) else "all" if "ROUTE_ALL" in flags else \
            f"{resource.name}:{'read' if method == 'GET' or 'ROUTE_ASKS' in flags else 'write'}"

    table = {f"{method} /{pattern}": (NAME[since], "ROUTE_WRITES" in flags, "ROUTE_PUBLIC" in flags, "ROUTE_SLASHES" in flags, permission(method, flags))
             for method, pattern, flags, since in resource.routes}
    described = {}
    for path in paths:
        for method in METHODS:
            operation = DOCUMENT["paths"][path].get(method)
            if operation:
                names = [p.get("$ref", "") for p in operation.get("parameters", [])]
                described[f"{method.upper()} {path}"] = (
                    operation.get("x-since", versions()[0]), "#/components/parameters/IdempotencyKey" in names,
                    operation.get("security") == [], operation.get("x-slashes", DOCUMENT["paths"][path].get("x-slashes", False)),
                    operation.get("x-permission"))
    same(f"{resource.name}: route (since, takes an Idempotency-Key, needs no API key, slashes, permission)", table, described)


# ---- numbers

numbers_known = set()  # places of numbers that were compared
# Every object that comes in may be an empty array instead.
EMPTY_MAP = {"$ref": "#/components/schemas/EmptyMap"}


def place_of(schema, place):
    """The schema that a reference leads to, and where it stands."""
    while "$ref" in schema:
        place = schema["$ref"][1:]
        schema = SCHEMAS[place.split("/")[-1]] | {key: value for key, value in schema.items() if key != "$ref"}
    return schema, place


def facts(schema, place):
    """What a schema says: (JSON types without null, whether null, least, most, values)."""
    schema, place = place_of(schema, place)
    kinds, null, least, most, values = set(), False, 0, 0, None
    for i, option in enumerate(schema.get("anyOf", ())):
        if option == EMPTY_MAP:
            numbers_known.add(place_of(option, "")[1] + "/maxItems")
            continue
        inner = facts(option, f"{place}/anyOf/{i}")
        kinds, null, least, most, values = kinds | inner[0], null or inner[1], least or inner[2], most or inner[3], values or inner[4]
    kind = schema.get("type", [])
    if "const" in schema:
        kind, values = {bool: "boolean", str: "string"}[type(schema["const"])], (schema["const"],)
    kinds |= {kind} if isinstance(kind, str) else set(kind)
    for name in ("minLength", "minimum", "minItems"):
        least = schema.get(name, least)
    for name in ("maxLength", "maximum", "maxItems"):
        if name in schema:
            most = schema[name]
            numbers_known.add(f"{place}/{name}")
    if "enum" in schema:
        values = tuple(value for value in schema["enum"] if value is not None)
    return kinds - {"null"}, null or "null" in kinds, least, most, values


# ---- fields that come in

JSON_TYPE = {"OBJECT": "object", "METADATA": "object", "STRINGS": "array", "BOOL": "boolean", "INT": "integer", "COUNT": "integer"}


def check_parts(where, field, schema, place):
    """The members of an object."""
    schema, place = place_of(schema, place)
    same(f"{where} (required)", {name: row[1] == "true" for name, row in field.parts.items()},
         {name: name in schema["required"] for name in schema["properties"]})
    for name, row in field.parts.items():
        _, null, _, most, values = facts(schema["properties"].get(name, {}), f"{place}/properties/{name}")
        if not values and most != field.most:
            bad.append(f"{where}.{name}: at most {field.most} in src, {most} in the document")
        if null and row[1] == "true":
            bad.append(f"{where}.{name}: may be null in the document")


def check_takes(resource, name, use):
    """The schema with the mark x-takes, in each version: "create" or "update", and the object if it is not the resource's."""
    use, _, object = use.partition(" ")
    shape = resource.shape(object)
    spellings = [member for _, member in {(field.name, field.member) for field in shape.fields_in}]
    for version in versions():
        schema, where = at_version_schema(name, version), f"{version}, {name}"
        there = {field.name: field for field in shape.fields_in
                 if has(version, field.since, field.until) and not (use == "update" and "CREATE_ONLY" in field.flags)}
        same(f"{where}: field", set(there), set(schema["properties"]))
        alone = {field.name for field in there.values()
                 if use == "create" and "REQUIRED" in field.flags and spellings.count(field.member) == 1}
        same(f"{where}: required field", alone, set(schema.get("required", [])))
        several = {field.name for field in there.values()
                   if use == "create" and "REQUIRED" in field.flags and spellings.count(field.member) > 1}
        same(f"{where}: spelling of a required field", several, {part["required"][0] for part in schema.get("anyOf", [])})
        for field in there.values():
            if field.name in schema["properties"]:
                place = f"x-earlier-properties/{field.name}/schema" if NAME[field.until] else f"properties/{field.name}"
                check_field(where, field, schema["properties"][field.name], field.name in alone,
                            f"/components/schemas/{name}/{place}", use)
        if (shape.refuses_unknown and use == "create") != (schema.get("additionalProperties") == {"type": "null"}):
            bad.append(f"{where}: members that are not known are refused, or not, only in the document")


def check_field(where, field, schema, is_required, place, use):
    kinds, null, least, most, values = facts(schema, place)
    if field.kind == "REFUSED" or "FIXED" in field.flags and use == "update":
        same(f"{where}: (type, null) of", {field.name: (set(), True)}, {field.name: (kinds, null)})
        return
    is_number = field.kind in ("INT", "COUNT")
    fallback = "FALLBACK" in field.flags  # what is not a text is ignored
    expected = (set() if fallback else {JSON_TYPE.get(field.kind, "string")}, not is_required and not fallback, int(field.kind == "INT") if is_number else int("NOT_EMPTY" in field.flags and not ("CLEARED" in field.flags and use == "update")),
                0 if field.parts else field.most)
    same(f"{where}: (type, null, least, most) of", {field.name: expected}, {field.name: (kinds, null, least, most)})
    if field.names is not None:
        same(f"{where}: value of {field.name}:", set(field.names), set(values or ()))
    if field.parts:
        part = next(part for part in place_of(schema, place)[0].get("anyOf", [schema]) if part != {"type": "null"})
        check_parts(f"{where}: {field.name}", field, part, place)
        same(f"{where}: {field.name} (earlier spelling, until)",
             {name: (descriptors.string(row[4]).split(".")[1], NAME[row[5]]) for name, row in field.parts.items() if row[4] != "NULL"},
             {name: (property["x-earlier-name"]["name"], property["x-earlier-name"]["until"])
              for name, property in place_of(part, place)[0]["properties"].items() if "x-earlier-name" in property})


def at_version_schema(name, version):
    """Of that version, with references to other schemas where a property has them."""
    made = at_version(version)["components"]["schemas"]
    schema = made[name]
    if "allOf" in schema:
        whole = {"properties": {}, "required": []}
        for part in schema["allOf"]:
            part = made[part["$ref"].split("/")[-1]] if "$ref" in part else part
            whole["properties"] |= part["properties"]
            whole["required"] += part["required"]
        return whole
    return schema


# ---- fields that go out

SHOWN_AS = {"TEXT": "string", "JSON": "object", "BOOL": "boolean", "TIME": "string", "TIME_IF_ANY": "string", "ID": "string", "INT": "integer",
            "OBJECT": "string", "LIVEMODE": "boolean", "ORGANIZATION": "string", "MADE": "string", "PART": "object", "ROWS": "array", "EMPTY": "array",
            "MS": "number", "BOOL_OR_NULL": "boolean", "INT_OR_NULL": "integer", "TRUE": "boolean", "FALSE": "boolean", "NULL": "null"}


def patterns_of(schema):
    schema = place_of(schema, "")[0]
    options = [place_of(option, "")[0] for option in (schema, *schema.get("anyOf", ()))]
    return [option["pattern"] for option in options if "pattern" in option]


def check_shows(resource, name, view):
    """The schema with the mark x-shows, in each version: a view, and the object if it is not the resource's."""
    view, _, object = view.partition(" ")
    shape = resource.shape(object)
    bits = number(view, resource.constants)
    if bits is None:
        bad.append(f"{name}: there is no view {view} of {resource.name}")
        return 0
    for version in versions():
        schema = at_version_schema(name, version)
        there = {row.name: row for row in shape.fields_out if row.views & bits and has(version, row.since, row.until)}
        same(f"{version}, member of {name}", set(there), set(schema["properties"]))
        always = {row.name for row in there.values() if row.show != "TIME_IF_ANY"}
        same(f"{version}, member of {name} that is always there:", always, set(schema["required"]))
        for row in there.values():
            kinds, _, _, _, values = facts(schema["properties"].get(row.name, {}), f"/components/schemas/{name}/properties/{row.name}")
            if kinds != {SHOWN_AS[row.show]} - {"null"} and (row.show, kinds) != ("JSON", {"array"}):
                bad.append(f"{version}, {name}.{row.name}: shown as {SHOWN_AS[row.show]}, {kinds} in the document")
            if row.show == "OBJECT" and shape.object not in values:
                bad.append(f"{version}, {name}.{row.name}: is {shape.object}, {values} in the document")
            patterns = patterns_of(schema["properties"].get(row.name, {}))
            if row.show == "ID" and not any(pattern.startswith(f"^{shape.prefix}") for pattern in patterns):
                bad.append(f"{version}, {name}.{row.name}: begins with {shape.prefix}, {patterns} in the document")
    return bits


# ---- filters of a list


def check_filters(resource, paths):
    filtered = {f"/{pattern}" for _, pattern, flags, _ in resource.routes if "ROUTE_LIST" in flags}
    lists = [path for path in paths if path in filtered and any("#/components/parameters/Cursor" == p.get("$ref")
                                           for p in DOCUMENT["paths"][path].get("get", {}).get("parameters", []))]
    if resource.filters and not lists:
        bad.append(f"{resource.name}: has filters, but no list in the document")
    for path in lists:
        for version in versions():
            operation = at_version(version)["paths"].get(path, {}).get("get")
            if operation:
                names = {resolved(part, DOCUMENT)["name"] for part in operation["parameters"] if part.get("in", "query") == "query"}
                same(f"{version}, filter of {path}", {name for name, since, until in resource.filters if has(version, since, until)},
                     names - {"limit", "cursor"})


def check_options(resource):
    taken = {pattern: method.lower() for method, pattern, flags, _ in resource.routes if "ROUTE_OPTIONS" in flags}
    if bool(resource.options) != bool(taken):
        bad.append(f"{resource.name}: has options and no route that takes them, or the other way")
    for pattern, method in taken.items():
        for version in versions():
            operation = at_version(version)["paths"].get(f"/{pattern}", {}).get(method)
            if operation:
                names = {resolved(part, DOCUMENT)["name"] for part in operation.get("parameters", ())
                         if resolved(part, DOCUMENT)["in"] == "query"}
                same(f"{version}, options of {pattern}", {name for name, since, until in resource.options if has(version, since, until)}, names)


# ---- limits


def at(place):
    node = DOCUMENT
    for part in place[1:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        node = node[int(part)] if isinstance(node, list) else node.get(part) if isinstance(node, dict) else None
        if node is None:
            return None
    return node


def check_limits(file, names, own, values=()):
    """own: constants that must be told of; names: all that may be; values: further limits with their values."""
    told = FILES[file].get("x-limits-in", {})
    values = dict(values)
    for limit, places in told.items():
        value = values.get(limit, number(limit, names))
        if value is None:
            bad.append(f"doc/openapi/{file}.yaml: there is no limit {limit} in src")
            continue
        for place in places:
            place = place if place.startswith("/") else "/components/" + place
            numbers_known.add(place)
            if at(place) != value:
                bad.append(f"{limit} = {value}, in the document {place} = {at(place)}")
    words = set(re.findall(r"\w+", " ".join(told)))
    for limit in sorted({*own, *values} - words):
        bad.append(f"{limit}: doc/openapi/{file}.yaml does not say where it stands (x-limits-in)")


def numbers(node, place=""):
    """Places of every constraint with a number, and of defaults."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        here = f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}"
        if name in ("maxLength", "maximum", "maxItems", "maxProperties", "default", "exclusiveMaximum", "multipleOf"):
            yield here
        elif name in ("minLength", "minItems", "minimum") and value not in (0, 1):
            yield here
        elif name not in ("example", "examples"):
            yield from numbers(value, here)


IS_LIMIT = re.compile(r"\w+_(MAX|MAX_CHARS|MAX_BYTES|DEFAULT)\Z")


def check_resource(resource):
    file = FILES.get(resource.name)
    if file is None:
        return  # descriptors.py says so
    check_routes(resource, file["paths"])
    check_filters(resource, file["paths"])
    check_options(resource)
    shown = 0
    for name, schema in file["components"].get("schemas", {}).items():
        if "x-takes" in schema:
            check_takes(resource, name, schema["x-takes"])
        if "x-shows" in schema:
            shown |= check_shows(resource, name, schema["x-shows"])
    takes = {schema.get("x-takes", "").split(" ")[0] for schema in file["components"].get("schemas", {}).values()}
    if resource.fields_in and "create" not in takes:
        bad.append(f"{resource.name}: no schema says x-takes: create")
    for row in resource.fields_out:
        if not row.views & shown:
            bad.append(f"{resource.name}: no schema with x-shows has {row.name}")
    in_fields = {field.limit for field in resource.fields_in}
    check_limits(resource.name, resource.constants, {name for name in resource.own_constants if IS_LIMIT.match(name)} - in_fields)
    same(f"{resource.name}: error (type, status)", {name: rest for name, *rest in resource.errors.values()},
         {row["code"]: [row["type"], row["status"]] for row in file.get("x-errors", []) if "status" in row})


# ---- what is of no resource

LIMITS = constants(Path("src/base/limits.h"))
CONF = {key: int(value) * {"K": 1024, "M": 1024 * 1024}[unit] for key, value, unit in
        re.findall(r'^\t\{ "(\w+)", "(\d+)([KM])", TYPE_BYTES', Path("src/conf/conf.c").read_text(), re.M)}
for other in others().values():
    # Pages for people are no part of the API.
    other.routes = [route for route in other.routes if not route[1].startswith("/")]
    if other.name in FILES:
        continue
    check_routes(other, [path for path in FILES["api"]["paths"] if any(f"/{pattern}" == path for _, pattern, *_ in other.routes)])
# The tables of people who sign in are of several bodies, so only routes and limits are compared.
user = others()["user"]
check_routes(user, FILES["user"]["paths"])
check_limits("user", user.constants, ())
check_limits("api", LIMITS, LIMITS, {key: CONF[key] for key in ("body_max", "metadata_max")})
for resource in resources().values():
    check_resource(resource)
for path in sorted(Path("tests/api").glob("*/lint_openapi.py")):
    load(path).check(sys.modules[__name__])
for name, schema in SCHEMAS.items():
    if name.endswith("List") and schema["properties"].get("object", {}).get("const") == "list":
        numbers_known.add(f"/components/schemas/{name}/properties/data/maxItems")  # made of the limit of lists
same("number", {place for place in numbers_known if not place.startswith("/x-limits/")}, set(numbers(DOCUMENT)))

prose = []
walk(DOCUMENT, lambda node: prose.append(node.get("description", "")) if isinstance(node.get("description"), str) else None)
prose = " ".join(" ".join(prose).split())
SENTENCES = {
    "bodyBytes": "A body has at most {mib} MiB", "uploadBytes": "a file to import or a part of one {mib} MiB", "pathAndQueryBytes": "path and query together {n} bytes",
    "queryParameters": "at most {n} parameters", "headerValueBytes": "named here {n} bytes", "jsonDepth": "at most {n} levels deep",
    "jsonValues": "of at most {n} values", "metadataBytes": "At most {kib} KiB, ", "metadataDepth": "KiB, {n} levels deep",
    "metadataValues": "levels deep, {n} values", "numberCharacters": "no number of more than {n} characters", "problemDetails": None,
}
same("limit with a sentence", set(DOCUMENT["x-limits"]), set(SENTENCES))
for name, sentence in SENTENCES.items():
    n = DOCUMENT["x-limits"][name]
    if sentence and sentence.format(n=f"{n:,}", kib=n // 1024, mib=n // 1024 // 1024) not in prose:
        bad.append(f"x-limits {name} = {n}: no sentence says {sentence!r}")

# ---- errors

same("error (type, status)", {name: rest for name, *rest in COMMON_ERRORS.values()},
     {row["code"]: [row["type"], row["status"]] for row in FILES["api"]["x-errors"]})
ERRORS = {row["code"]: (row["type"], row["status"]) for row in DOCUMENT["x-errors"]}
same("type of error", {kind for kind, _ in ERRORS.values()}, set(SCHEMAS["ErrorObject"]["properties"]["type"]["enum"]))
# What no documented operation can answer: the description tells of it.
answered = {"not_found", "method_not_allowed"}
for name in answered:
    if f"`{name}`" not in DOCUMENT["info"]["description"]:
        bad.append(f"error {name}: info.description does not tell of it")
for path, item in DOCUMENT["paths"].items():
    for method in METHODS:
        for status, response in item.get(method, {}).get("responses", {}).items():
            if int(status) < 400:
                continue
            response = DOCUMENT["components"]["responses"][response["$ref"].split("/")[-1]] if "$ref" in response else response
            codes = response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
            answered |= set(codes)
            bad += [f"{method.upper()} {path}: {name} under the status {status}" for name in codes if ERRORS[name][1] != int(status)]
same("error that an operation answers:", set(ERRORS), answered)

print("\n".join(dict.fromkeys(bad)))
sys.exit(bool(bad))
