"""
Compares doc/openapi.json with the tables in C, both ways: versions, routes, fields, limits, error codes, time zones,
countries. Prints what differs; run by openapi.sh, in the source folder.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, "tests")

from document import METHODS, at_version, document, resolved, versions, walk  # noqa: E402

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
bad = []


def same(what, table, described):
    """table and described are dicts or sets."""
    for key in sorted(set(table) | set(described), key=str):
        if key not in described:
            bad.append(f"{what} {key}: not in the document")
        elif key not in table:
            bad.append(f"{what} {key}: only in the document")
        elif isinstance(table, dict) and table[key] != described[key]:
            bad.append(f"{what} {key}: {table[key]} in src, {described[key]} in the document")


def source(name):
    return Path("src", name).read_text()


def rows(name, table, pattern):
    """Matches of the pattern in that table of that file."""
    text = re.search(rf"\b{table}\[\] = \{{\n(.*?)\n\}}", source(name), re.S)
    found = re.findall(pattern, text.group(1)) if text else []
    if not found:
        bad.append(f"src/{name}: no rows of {table} found")
    return found


# ---- versions

VERSIONS = re.findall(r'VERSION\((\w+), +"([^"]+)", +ENVELOPE_(\w+)\)', source("http/version.h"))
NAME = {f"V_{name}": text for name, text, _ in VERSIONS} | {"V_FIRST": VERSIONS[0][1], "V_ENDLESS": None}
same("version", {text: envelope.lower() for _, text, envelope in VERSIONS},
     {row["version"]: row["envelope"] for row in DOCUMENT["x-versions"]})
if [text for _, text, _ in VERSIONS] != versions():
    bad.append("the versions have another order in the document")
if DOCUMENT["info"]["version"] != VERSIONS[-1][1]:
    bad.append(f"info.version: the current version is {VERSIONS[-1][1]}")
same("version (description)", {text for _, text, _ in VERSIONS},
     set(re.findall(r"^\| (legacy|[0-9-]{10}) \|", DOCUMENT["info"]["description"], re.M)))


def has(version, since, until):
    at, names = versions().index(version), versions()
    return at >= names.index(NAME[since]) and (NAME[until] is None or at < names.index(NAME[until]))


# ---- routes

routes = {}
for method, pattern, flags, since in rows("app/routes.c", "routes", r'METHOD_(\w+), +"([^"]+)", +(\w+), +(\w+), +\w+ \}'):
    routes[f"{method} /{pattern}"] = (NAME[since], flags == "ROUTE_WRITES", flags == "ROUTE_PUBLIC")
described = {}
for path, item in DOCUMENT["paths"].items():
    for method in METHODS:
        if method in item:
            names = [p.get("$ref", "") for p in item[method].get("parameters", [])]
            described[f"{method.upper()} {path}"] = (
                item[method].get("x-since", versions()[0]), "#/components/parameters/IdempotencyKey" in names,
                item[method].get("security") == [])
same("route (since, takes an Idempotency-Key, needs no API key)", routes, described)

# ---- fields that come in

LIMITS = {name: eval(value, {}) for name, value in
          re.findall(r"^\t(\w+) = ([0-9 *]+),", source("base/limits.h"), re.M)}
FIELDS_IN = rows("resource/customer/fields.c", "fields_in", r'"(\w+)", +MEMBER_\w+, +TYPE_(\w+), +([A-Z_ |0]+), +(\w+), +(\w+), +(\w+) \}')
ADDRESS = dict(rows("resource/customer/fields.c", "address_members", r'"(\w+)", (true|false)'))
TIMEZONES = rows("resource/customer/fields.c", "timezones", r'"([^"]+)"')
JSON_TYPE = {"ADDRESS": "object", "METADATA": "object", "BOOL": "boolean"}


def facts(schema):
    """(JSON type, may be null, minLength, maxLength) of a field's schema."""
    options = [option for part in schema.get("anyOf", [schema]) for option in [part]]
    kinds = {kind for option in options for kind in ([option["type"]] if isinstance(option["type"], str) else option["type"])}
    (kind,) = kinds - {"null"}
    return kind, "null" in kinds, schema.get("minLength", 0), schema.get("maxLength", 0)


for version in versions():
    made = at_version(version)
    for use, schema in (("create", "CustomerCreate"), ("update", "CustomerUpdate")):
        table = {}
        for name, kind, flags, limit, since, until in FIELDS_IN:
            if has(version, since, until) and not (use == "update" and "CREATE_ONLY" in flags):
                table[name] = (JSON_TYPE.get(kind, "string"), True, int("NOT_EMPTY" in flags), LIMITS.get(limit, 0))
        schema = resolved(made["components"]["schemas"][schema], made)
        same(f"{version}, field on {use} (type, null, least, most)", table,
             {name: facts(part) for name, part in schema["properties"].items()})
required = {name for name, _, flags, *_ in FIELDS_IN if "REQUIRED" in flags}
same("field that is required on create", required,
     {part["required"][0] for part in SCHEMAS["CustomerCreate"]["anyOf"]})
same("field that makes a broken item bearable", required, {part["required"][0] for part in SCHEMAS["BrokenItem"]["anyOf"]})
for name in ("AddressInput", "Address"):
    same(f"{name} (required)", {key: value == "true" for key, value in ADDRESS.items()},
         {key: key in SCHEMAS[name]["required"] for key in SCHEMAS[name]["properties"]})
same("time zone", set(TIMEZONES), set(SCHEMAS["Timezone"]["enum"]))
COUNTRIES = re.findall(r'\{ "((?:[A-Z]{2} )+)", "(\w+)" \}', source("resource/customer/country.c"))
same("country", {code for codes, _ in COUNTRIES for code in codes.split()}, set(SCHEMAS["Country"]["enum"]))
same("kind of tax document", {kind for _, kind in COUNTRIES} | set(re.findall(r'return STR\("(\w+)"\)', source("resource/customer/country.c"))),
     set(SCHEMAS["Customer"]["properties"]["documentType"]["enum"]) - {None})

# ---- filters of a list

FILTERS = rows("resource/customer/api.c", "filters", r'"(\w+)", +\w+, +(\w+), +(\w+) \}')
for version in versions():
    names = [resolved(part, DOCUMENT)["name"] for part in at_version(version)["paths"]["/customers"]["get"]["parameters"]]
    same(f"{version}, filter", {name for name, since, until in FILTERS if has(version, since, until)}, set(names) - {"limit", "cursor"})

# ---- fields that go out

FIELDS_OUT = rows("resource/customer/fields.c", "fields_out", r'OUT\("(\w+)"\), +OUT_(\w+), +FIELDS_(\w+), +(\w+), +(\w+) \}')
BATCHES = rows("resource/customer/fields.c", "batch_shapes", r'\{ (\w+), +(true|false), +STR\("(\w+)"\) \}')
IN_BATCHES = set(re.findall(r"f->what != OUT_(\w+)", source("resource/customer/fields.c")))
for version in versions():
    made = at_version(version)
    there = [row for row in FIELDS_OUT if has(version, row[3], row[4])]
    plain = {name for name, _, view, *_ in there if view == "PLAIN"}
    whole, name_of_batch = next(row[1:] for row in BATCHES if has(version, row[0], "V_ENDLESS"))
    batched = plain if whole == "true" else {name for name, what, *_ in there if what in IN_BATCHES}
    for name, table in (("Customer", plain), ("CustomerDetails", {row[0] for row in there}),
                        ("BatchedCustomer", batched | {"index", "status"})):
        schema = resolved(made["components"]["schemas"][name], made)
        same(f"{version}, member of {name}", table, set(schema["properties"]))
        same(f"{version}, member of {name} that is always there", table, set(schema["required"]))
    described = made["components"]["schemas"]["CustomerBatchResult"]["properties"]["object"]["const"]
    if described != name_of_batch:
        bad.append(f"{version}: the object of a batch is {name_of_batch}, in the document {described}")

# ---- limits

CONF = {key: int(value) * {"K": 1024, "M": 1024 * 1024}[unit] for key, value, unit in
        re.findall(r'^\t\{ "(\w+)", "(\d+)([KM])", TYPE_BYTES', source("conf/conf.c"), re.M)}
# Where each limit stands in the document: places are below components, or in x-limits.
PLACES = {
    "EMAIL_MAX_CHARS": ["schemas/Email/maxLength"],
    "EXTERNAL_ID_MAX_CHARS": ["schemas/ExternalId/maxLength"],
    "NAME_MAX_CHARS": ["schemas/FullName/maxLength"],
    "TAX_DOCUMENT_MAX_CHARS": ["schemas/TaxDocument/maxLength"],
    "ADDRESS_LINE_MAX_CHARS": ["schemas/AddressLine/maxLength", "schemas/AddressLineOrNull/maxLength"],
    "BATCH_ITEMS_MAX": ["schemas/CustomerBatch/properties/customers/maxItems",
                        "schemas/CustomerBatchResult/properties/successful/maxItems",
                        "schemas/CustomerBatchResult/properties/failed/maxItems"],
    "LIST_LIMIT_MAX": ["parameters/Limit/schema/maximum", "schemas/CustomerList/properties/data/maxItems",
                       "schemas/ApiKeyList/properties/data/maxItems"],
    "LIST_LIMIT_DEFAULT": ["parameters/Limit/schema/default"],
    "SEARCH_MAX_CHARS": ["/paths/~1customers/get/x-earlier-parameters/0/parameter/schema/maxLength"],
    "API_KEY_NAME_MAX_CHARS": ["schemas/ApiKeyCreate/properties/name/maxLength"],
    "API_KEY_DAYS_MAX": ["schemas/ApiKeyCreate/properties/expiresInDays/maximum"],
    "API_KEY_DAYS_DEFAULT": ["schemas/ApiKeyCreate/properties/expiresInDays/default"],
    "IDEMPOTENCY_KEY_MAX_BYTES": ["parameters/IdempotencyKey/schema/maxLength"],
    "REQUEST_ID_MAX_BYTES": ["headers/RequestId/schema/maxLength"],
    "PROBLEM_DETAILS_MAX": ["schemas/ErrorDetails/maxItems", "/x-limits/problemDetails"],
    "URI_MAX_BYTES": ["/x-limits/pathAndQueryBytes"],
    "QUERY_PARAMETERS_MAX": ["/x-limits/queryParameters"],
    "HEADER_VALUE_MAX_BYTES": ["/x-limits/headerValueBytes"],
    "JSON_DEPTH_MAX": ["/x-limits/jsonDepth"],
    "JSON_VALUES_MAX": ["/x-limits/jsonValues"],
    "METADATA_DEPTH_MAX": ["/x-limits/metadataDepth"],
    "METADATA_VALUES_MAX": ["/x-limits/metadataValues"],
    "JSON_NUMBER_MAX_BYTES": ["/x-limits/numberCharacters"],
    "body_max": ["/x-limits/bodyBytes"],
    "metadata_max": ["/x-limits/metadataBytes"],
    # Limits that follow from others.
    "index": ["schemas/BatchedCustomer/properties/index/maximum", "schemas/FailedItem/properties/index/maximum"],
    "id": ["/paths/~1customers~1{id}/parameters/0/schema/maxLength"],
}
DERIVED = {"index": LIMITS["BATCH_ITEMS_MAX"] - 1, "id": LIMITS["EXTERNAL_ID_MAX_CHARS"]}
# Of no use to a client.
INTERNAL = {"ARENA_KEEP_BYTES", "PARAMS_MAX_BYTES", "RESPONSE_MAX_BYTES", "RESPONSE_KEEP_BYTES"}
values = LIMITS | DERIVED | {key: CONF[key] for key in ("body_max", "metadata_max")}
same("limit", set(values) - INTERNAL, set(PLACES))


def at(place):
    node = DOCUMENT
    for part in (place[1:] if place.startswith("/") else "components/" + place).split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        node = node[int(part)] if isinstance(node, list) else node.get(part) if isinstance(node, dict) else None
        if node is None:
            return None
    return node


known = set()
for limit, places in PLACES.items():
    for place in places:
        known.add(place if place.startswith("/") else "/components/" + place)
        if at(place) != values.get(limit):
            bad.append(f"{limit} = {values.get(limit)}, in the document {place} = {at(place)}")


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


same("number", {place for place in known if not place.startswith("/x-limits/")}, set(numbers(DOCUMENT)))
prose = []
walk(DOCUMENT, lambda node: prose.append(node.get("description", "")) if isinstance(node.get("description"), str) else None)
prose = " ".join(" ".join(prose).split())
SENTENCES = {
    "bodyBytes": "A body has at most {mib} MiB", "pathAndQueryBytes": "path and query together {n} bytes",
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

ERRORS = {code: (kind, int(status)) for status, code, kind in
          re.findall(r'^ERR\(\w+,\s*(\d+),\s*"(\w+)",\s*"(\w+)"', source("base/err.def"), re.M)}
same("error (type, status)", ERRORS, {row["code"]: (row["type"], row["status"]) for row in DOCUMENT["x-errors"]})
same("error of the enum", set(ERRORS), set(SCHEMAS["ErrorCode"]["enum"]))
same("type of error", {kind for kind, _ in ERRORS.values()}, set(SCHEMAS["Error"]["properties"]["error"]["properties"]["type"]["enum"]))
# What no documented operation can answer: the description tells of it.
answered = {"not_found", "method_not_allowed"}
for code in answered:
    if f"`{code}`" not in DOCUMENT["info"]["description"]:
        bad.append(f"error {code}: info.description does not tell of it")
for path, item in DOCUMENT["paths"].items():
    for method in METHODS:
        for status, response in item.get(method, {}).get("responses", {}).items():
            if int(status) < 400:
                continue
            response = DOCUMENT["components"]["responses"][response["$ref"].split("/")[-1]]
            media = response["content"]["application/json"]
            codes = media["schema"]["allOf"][1]["properties"]["code"]["enum"]
            answered |= set(codes)
            for code in codes:
                if ERRORS.get(code, (None, None))[1] != int(status):
                    bad.append(f"{method.upper()} {path}: {code} under the status {status}")
            for name, example in media["examples"].items():
                example = DOCUMENT["components"]["examples"][example["$ref"].split("/")[-1]]["value"]
                inner = example["error"]
                if (name, inner["code"], inner["type"]) != (example["code"], name, ERRORS.get(name, (None,))[0]) or any(
                        inner[key] != example[key] for key in ("message", "details")):
                    bad.append(f"{method.upper()} {path}: the example {name} contradicts itself")
same("error that an operation answers", set(ERRORS), answered)

print("\n".join(dict.fromkeys(bad)))
sys.exit(bool(bad))
