#!/usr/bin/env python3
"""
Makes doc/openapi.json, which the program carries and serves at /api/v1/openapi.json, of the files in doc/openapi/:
api.yaml, what is of no resource, and NAME.yaml for each resource in src/resource. The head of api.yaml says what can
stand in them.

    doc/openapi.py           writes it, after a change of these files (needs python3-yaml)
    doc/openapi.py --check   says whether it is up to date

It is kept in the repository, so that building needs neither Python nor YAML.
"""

import json
import re
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
METHODS = ("get", "put", "post", "delete", "patch")
# What a resource's file may have at its top; each is added to what the others have there.
OF_A_RESOURCE = {"tags", "paths", "components", "x-errors", "x-changes", "x-limits-in"}
# For tests/lint alone.
MARKS = ("x-takes", "x-shows", "x-limits-in")


def ref(kind, name):
    return {"$ref": f"#/components/{kind}/{name}"}


# ---------------------------------------------------------------- the files, joined

def read(folder=HERE / "openapi"):
    """{name: content}, api first, then the resources in the order of src/app/resources.c."""
    order = ["api", *re.findall(r"(?m)^\tRESOURCE\((\w+)\)", (folder.parents[1] / "src/app/resources.c").read_text())]
    unknown = {path.stem for path in folder.glob("*.yaml")} - set(order)
    if unknown:
        sys.exit(f"doc/openapi: {', '.join(sorted(unknown))}: no such resource in src/app/resources.c")
    files = [name for name in order if (folder / f"{name}.yaml").exists()]
    return {name: yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")) for name in files}


def add(to, what, place, name):
    """Puts what a resource's file has into the whole; nothing may be there already."""
    for key, value in what.items():
        if key not in to:
            to[key] = value
        elif isinstance(value, list):
            to[key] += value
        elif isinstance(value, dict) and place in ("", "components/"):
            add(to[key], value, f"{place}{key}/", name)
        else:
            sys.exit(f"doc/openapi/{name}.yaml: {place}{key} is in another file, too")


# ---------------------------------------------------------------- errors

def body_of(row, version):
    """The body of an error, which has everything twice: for the oldest clients and for the others."""
    shared = {"code": row["code"], "message": row["message"], "details": row.get("details")}
    return {"success": False, **shared, "error": {
        "type": row["type"], **shared, "param": row.get("param"),
        "doc_url": f"https://api.example.com/api-reference/{version}/errors/{row['code']}.md"}}


def errors_by_file(files):
    """{file: {code: row}}: the rows of all files, where a file has one of its own for a code that one."""
    rows = [{**row, "example": row["code"] if "status" in row else f"{name}.{row['code']}", "of": name}
            for name, what in files.items() for row in what.get("x-errors", [])]
    errors = {row["code"]: row for row in rows if "status" in row}
    twice = [row["code"] for row in rows if "status" in row and errors[row["code"]] is not row]
    if twice:
        sys.exit(f"doc/openapi: {', '.join(twice)}: two errors of one name")
    return {name: errors | {row["code"]: {**errors[row["code"]], **row} for row in rows if row["of"] == name} for name in files}


def headers_of_all():
    return {"X-Request-Id": ref("headers", "RequestId"), "traceresponse": ref("headers", "Traceresponse"),
            "Clientele-Ignored": ref("headers", "Ignored"), "Preference-Applied": ref("headers", "PreferenceApplied")}


def answer(status, codes, errors, document, limited):
    """The response with this status and one of these errors."""
    headers = headers_of_all()
    if limited:
        used_up = "UsedUp" if status == "429" else ""
        headers |= {"RateLimit-Policy": ref("headers", f"RateLimitPolicy{used_up}"), "RateLimit": ref("headers", f"RateLimit{used_up}")}
    if status == "401":
        headers["WWW-Authenticate"] = ref("headers", "WwwAuthenticate")
    if status in ("429", "503"):
        headers["Retry-After"] = ref("headers", "RetryAfter")
    code = {"code": {"enum": codes}}
    if codes == ["validation_error"]:
        code["details"] = {"type": "array"}
    rows = [errors[code] for code in codes]
    for row in rows:
        document["components"]["examples"][row["example"]] = {"value": body_of(row, document["info"]["version"])}
    text = "; ".join(f"{row['meaning']} (`{row['code']}`)" for row in rows)
    return {"description": text[0].upper() + text[1:] + ".", "headers": headers, "content": {"application/json": {
        "schema": {"allOf": [ref("schemas", "Error"), {"properties": code}]},
        "examples": {row["code"]: ref("examples", row["example"]) for row in rows}}}}


def is_public(operation):
    return operation.get("security") == []


def is_personal(operation):
    """For people who have signed in, not for API keys."""
    return operation.get("security") == [{"Session": []}]


def errors_of(operation):
    """{status: codes} that every operation of this kind can answer."""
    body, writes = "requestBody" in operation, operation.get("x-writes")
    found = {"400": ["validation_error"] + ["invalid_json"] * body, "500": ["internal_error"]}
    if not is_public(operation):
        found |= {"401": ["unauthorized"], "403": ["forbidden"], "429": ["rate_limited"],
                  "503": ["service_unavailable"] + ["idempotency_unavailable"] * bool(writes)}
    if "x-since" in operation:
        found["404"] = ["endpoint_not_available"]
    if writes:
        found["409"] = ["idempotency_in_progress", "idempotency_key_mismatch", "idempotency_answer_erased"]
    if body:
        found["413"] = ["request_too_large"]
    return found


# ---------------------------------------------------------------- operations

def media(what, document):
    """x-json: a schema, with its examples; x-list: a page of that schema, with x-counted perhaps with a count; x-merge: one of merge patches."""
    components = document["components"]
    if "x-list" in what:
        item = what.pop("x-list")
        what["x-json"] = name = f"{item}List"
        bare = next(row["version"] for row in document["x-versions"] if row["envelope"] == "bare")
        components["schemas"][name] = {
            "type": "object", "required": ["object", "data", "hasMore"],
            "properties": {"object": {"const": "list", "x-since": bare},
                           "data": {"type": "array", "maxItems": components["parameters"]["Limit"]["schema"]["maximum"],
                                    "items": ref("schemas", item)},
                           "hasMore": {"type": "boolean"}, "nextCursor": ref("schemas", "NextCursor")},
            "x-earlier-required": ["success", "has_more"],
            "x-earlier-properties": {"success": {"until": bare, "schema": {"const": True}},
                                     "has_more": {"until": bare, "schema": {"type": "boolean"}},
                                     "next_cursor": {"until": bare, "schema": ref("schemas", "NextCursor")}}}
        if "x-counted" in what:
            components["schemas"][name]["properties"]["count"] = ref("schemas", "Count") | {"x-since": what.pop("x-counted")}
        example = components["examples"][item]["value"]
        components["examples"][name] = {"value": {
            "object": "list", "data": [example], "hasMore": True, "nextCursor": "cur_" + example.get("id", "_00616461406578616d706c652e636f6d").split("_")[1]}}
        what["x-examples"] = [name, "EmptyList"]
        document.setdefault("rows of lists", []).append(item)
    if "x-json" in what:
        name = what.pop("x-json")
        shown = what.pop("x-examples", [name])
        what["content"] = {"application/json": {
            "schema": ref("schemas", name), "examples": {example: ref("examples", example) for example in shown}}}
    if "x-merge" in what:
        name = what.pop("x-merge")
        what["content"]["application/merge-patch+json"] = {"schema": ref("schemas", name),
                                                           "examples": {name: ref("examples", name)}}


def complete_success(operation, status, what, document):
    """Adds to a response without errors what all of its kind have."""
    if "x-list" in what:
        operation["parameters"] = [ref("parameters", "Limit"), ref("parameters", "Cursor"), *operation.get("parameters", [])]
        what.setdefault("links", {})["NextPage"] = {
            "operationId": operation["operationId"], "description": "The page after this one.",
            "parameters": {"cursor": "$response.body#/nextCursor"}}
    media(what, document)
    headers = headers_of_all()
    if not is_public(operation):
        headers |= {"RateLimit-Policy": ref("headers", "RateLimitPolicy"), "RateLimit": ref("headers", "RateLimit")}
    if operation.get("x-writes"):
        headers["Idempotent-Replayed"] = ref("headers", "Replayed")
    if status == "201":
        headers["Location"] = ref("headers", "Location")
    what["headers"] = headers | what.get("headers", {})


def complete_errors(operation, document, errors, name):
    """Makes responses of the codes that an operation in that file names, and of those that all of its kind can end with."""
    public, responses, common = is_public(operation), operation["responses"], errors_of(operation)
    own = {status: what for status, what in responses.items() if isinstance(what, list)}
    for status in sorted({*common, *own}):
        codes = list(dict.fromkeys(own.get(status, []) + common.get(status, [])))
        made = answer(status, codes, errors[name if status in own else "api"], document, not public and status != "401")
        if status not in own:
            shared = "Or".join("".join(word.title() for word in code.split("_")) for code in codes) + "Public" * public
            document["components"]["responses"][shared] = made
            made = ref("responses", shared)
        elif status == "409" and operation.get("x-writes"):
            made["headers"]["Idempotent-Replayed"] = ref("headers", "Replayed")
        responses[status] = made


def complete(method, operation, document, errors, name):
    """Adds to an operation what is the same in all of its kind."""
    for status, what in list(operation["responses"].items()):
        if isinstance(what, dict):
            complete_success(operation, status, what, document)
    complete_errors(operation, document, errors, name)
    if "requestBody" in operation:
        media(operation["requestBody"], document)
    needs = operation.pop("x-needs", "read" if method == "get" else "write")
    if not is_public(operation) and needs != "none":
        operation["x-permission"] = needs if needs == "all" else f"{name}:{needs}"
    if operation.pop("x-writes", False):
        operation["parameters"] = [ref("parameters", "IdempotencyKey"), *operation.get("parameters", [])]


# ---------------------------------------------------------------- the whole

SPELLINGS = {"snake": lambda name: name, "camel": lambda name: re.sub("_(.)", lambda found: found[1].upper(), name)}


def name_resources(document):
    """x-resources: a property for each resource that has permissions."""
    operations = (item[method] for item in document["paths"].values() for method in METHODS if method in item)
    names = sorted({operation["x-permission"].split(":")[0] for operation in operations
                    if ":" in operation.get("x-permission", "") and not is_personal(operation)})
    for schema in document["components"]["schemas"].values():
        if "x-resources" in schema:
            spellings = [SPELLINGS[spelling] for spelling in schema.pop("x-resources")]
            schema["properties"] = {spell(name): ref("schemas", "Actions") for name in names for spell in spellings}


def table_of_changes(document):
    changes = document.pop("x-changes")
    told = (f"| {row['version']} | {'; '.join(changes.get(row['version'], []))} |".replace("|  |", "| |")
            for row in document["x-versions"])
    return "\n".join(["| version | change |", "|---|---|", *told])


def join(files, marks=False):
    """The document; with the marks for tests/lint, or without."""
    files = json.loads(json.dumps(files))  # without YAML's aliases: what is changed here is not shared
    document, errors = files["api"], errors_by_file(files)
    owner = {path: name for name, what in files.items() for path in what["paths"]}
    for name, what in files.items():
        if name == "api":
            continue
        if set(what) - OF_A_RESOURCE:
            sys.exit(f"doc/openapi/{name}.yaml: what is {', '.join(sorted(set(what) - OF_A_RESOURCE))}?")
        what["x-changes"] = {version: [text] for version, text in what.get("x-changes", {}).items()}
        add(document, what, "", name)

    current, components, info = document["x-versions"][-1]["version"], document["components"], document["info"]
    document["x-errors"] = [{key: row[key] for key in ("code", "type", "status", "meaning")}
                            for row in document["x-errors"] if "status" in row]
    components["schemas"]["ErrorCode"] = {"type": "string", "enum": [row["code"] for row in document["x-errors"]]}
    info["version"] = current
    info["description"] = info["description"].replace("{changes}", table_of_changes(document)).replace("{current}", current)
    for path, item in document["paths"].items():
        item["parameters"] = item.get("parameters", []) + [ref("parameters", name) for name in ("Version", "RequestId", "Traceparent", "Prefer")]
        for method in METHODS:
            if method in item:
                complete(method, item[method], document, errors, owner[path])
    name_resources(document)
    # What is shown only as a row of a list is in that example.
    text = json.dumps(document["paths"])
    for item in document.pop("rows of lists", []):
        if ref("examples", item)["$ref"] + '"' not in text:
            del components["examples"][item]
    if not marks:
        strip(document)
    return document


def strip(node):
    if isinstance(node, dict):
        for mark in MARKS:
            node.pop(mark, None)
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        strip(value)


def main():
    text = json.dumps(join(read()), indent=1, ensure_ascii=False) + "\n"
    made = HERE / "openapi.json"
    if sys.argv[1:] == ["--check"]:
        if not made.exists() or made.read_text(encoding="utf-8") != text:
            sys.exit("doc/openapi.json is not what doc/openapi/ says; run doc/openapi.py")
    elif sys.argv[1:]:
        sys.exit(__doc__.strip())
    else:
        made.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
