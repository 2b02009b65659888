"""
The description of the API (doc/openapi.json): what it says about each version, and whether a reply is as it says.

The document is exact for the current version and has extensions for the others; the head of doc/openapi/api.yaml
explains them. at_version() makes the plain document of any version of them.
"""

import copy
import functools
import json
import re
from pathlib import Path
from urllib.parse import unquote

import jsonschema

FILE = Path(__file__).resolve().parent.parent / "doc" / "openapi.json"
METHODS = ("get", "put", "post", "delete", "patch")
# Of these, a reply carries no other ones than the document has for it.
HEADERS = {"clientele-result", "clientele-warning", "idempotent-replayed", "x-request-id", "traceresponse", "retry-after", "allow",
           "ratelimit", "ratelimit-policy", "clientele-ignored", "preference-applied", "location", "www-authenticate", "etag",
           "clientele-merged", "clientele-next-cursor"}


@functools.lru_cache(None)
def document():
    return json.loads(FILE.read_text(encoding="utf-8"))


@functools.lru_cache(None)
def versions():
    """The names, oldest first."""
    return [row["version"] for row in document()["x-versions"]]


def exists(version, entry, prefix=""):
    """Whether something with since and until is there in the version."""
    at = versions().index(version)
    since, until = entry.get(prefix + "since"), entry.get(prefix + "until")
    return (since is None or versions().index(since) <= at) and (until is None or at < versions().index(until))


def walk(node, visit):
    """visit(node) for each object of the document, inner ones first."""
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        walk(value, visit)
    if isinstance(node, dict):
        visit(node)


@functools.lru_cache(None)
def at_version(version):
    """The document of that version, without the extensions that tell the versions apart."""
    made = copy.deepcopy(document())
    bare = {row["version"]: row["envelope"] for row in made["x-versions"]}[version] == "bare"
    schemas = made["components"]["schemas"]

    def properties(node):
        if "properties" not in node or not all(isinstance(schema, dict) for schema in node["properties"].values()):
            return
        gone = [name for name, schema in node["properties"].items() if not exists(version, schema, "x-")]
        kept = {name: schema for name, schema in node["properties"].items() if name not in gone}
        earlier = {name: entry["schema"] for name, entry in node.pop("x-earlier-properties", {}).items()
                   if exists(version, entry)}
        required = [name for name in node.get("required", []) if name in kept]
        for name, schema in kept.items():
            other = schema.pop("x-earlier-name", None)
            if other and exists(version, other):
                earlier[other["name"]] = copy.deepcopy(schema)
                if name in required:
                    # One of them is enough, and a null is none.
                    required.remove(name)
                    node.setdefault("allOf", []).append({"anyOf": [
                        {"required": [one], "properties": {one: schema}} for one in (name, other["name"])]})
                    kept[name] = earlier[other["name"]] = {"anyOf": [schema, {"type": "null"}]}
        required += [name for name in node.pop("x-earlier-required", []) if name in earlier]
        for schema in kept.values():
            schema.pop("x-since", None)
        node["properties"] = {**kept, **earlier}
        if required:
            node["required"] = required

    def envelope(node):
        for media in node.get("content", {}).values():
            if not bare and schemas.get(media["schema"].get("$ref", "").split("/")[-1], {}).get("x-enveloped"):
                media["schema"] = {"type": "object", "required": ["success", "data"],
                                   "properties": {"success": {"const": True}, "data": media["schema"]}}

    walk(schemas, properties)
    walk(made["components"]["responses"], envelope)
    walk(made["paths"], envelope)
    for item in made["paths"].values():
        for method in [name for name in item if name in METHODS]:
            operation = item[method]
            if not exists(version, operation, "x-"):
                del item[method]
                continue
            operation.pop("x-since", None)
            operation["parameters"] = [one for one in operation.get("parameters", []) if exists(version, one, "x-")]
            for parameter in operation["parameters"]:
                parameter.pop("x-since", None)
            operation["parameters"].extend(
                entry["parameter"] for entry in operation.pop("x-earlier-parameters", []) if exists(version, entry))
    made["paths"] = {path: item for path, item in made["paths"].items() if any(method in item for method in METHODS)}
    made["info"]["version"] = version
    if version == "legacy":
        made["servers"] = [{"url": "/api"}]
    walk(made["components"], lambda node: node.pop("x-enveloped", None))
    return made


# ---------------------------------------------------------------- schemas that stand by themselves

def merged(parts):
    """One object schema of several that all hold."""
    whole = {"properties": {}, "required": []}
    for part in parts:
        for name, value in part.items():
            if name == "properties":
                for key, schema in value.items():
                    whole["properties"][key] = (
                        {"allOf": [whole["properties"][key], schema]} if key in whole["properties"] else schema)
            elif name == "required":
                whole["required"] += value
            elif name in ("anyOf", "allOf"):
                whole.setdefault("allOf", []).append({name: value})
            else:
                whole[name] = value
    return whole


def resolved(schema, root):
    """The schema without references, and with allOf as one object, which validates several times as fast."""
    if isinstance(schema, list):
        return [resolved(part, root) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = root
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return {**resolved(target, root), **{k: v for k, v in schema.items() if k not in ("$ref", "description")}}
    made = {}
    for name, value in schema.items():
        if name == "properties":
            made[name] = {key: resolved(part, root) for key, part in value.items()}
        elif name == "pattern":
            made[name] = value.removesuffix("$") + r"\Z" * value.endswith("$")  # Python's $ lets a newline through
        elif name not in ("description", "title", "default", "format", "examples", "example"):
            made[name] = resolved(value, root)
    if "allOf" in made:
        made = merged([*made.pop("allOf"), made])
    return made


def closed(schema):
    """The same, refusing members that it does not name."""
    def close(node):
        if isinstance(node.get("properties"), dict) and "additionalProperties" not in node and "const" not in node:
            node["additionalProperties"] = False

    walk(schema, close)
    return schema


@functools.lru_cache(None)
def reply_validator(version, path, method, status):
    """(validator of the body, headers) of a documented reply; None: the status is not documented."""
    made = at_version(version)
    response = made["paths"][path][method]["responses"].get(str(status))
    if response is None:
        return None
    response = resolved(response, made)
    content = response.get("content")
    schema = closed(next(iter(content.values()))["schema"]) if content else {"type": "null"}
    headers = {name.lower(): (header.get("required", False), jsonschema.Draft202012Validator(header["schema"]))
               for name, header in response["headers"].items()}
    return jsonschema.Draft202012Validator(schema), headers


@functools.lru_cache(None)
def request_validator(version, path, method):
    made = at_version(version)
    body = resolved(made["paths"][path][method].get("requestBody"), made)
    json = body and body["content"].get("application/json")
    return json and jsonschema.Draft202012Validator(json["schema"])


@functools.lru_cache(None)
def error_validator(version):
    made = at_version(version)
    return jsonschema.Draft202012Validator(closed(resolved(made["components"]["schemas"]["Error"], made)))


# ---------------------------------------------------------------- replies

PATHS = sorted(((path, path.split("/")) for path in document()["paths"]), key=lambda row: "{" in row[0])


def operation_of(version, method, target, slashes=True):
    """(path of the document, method of the document), or None for what the version does not have."""
    sent = [unquote(part) for part in (re.sub(r"^/(api/v1|api|v1)(?=/|$)", "", target.split("?")[0]) or "/").split("/")]
    method = {"HEAD": "get"}.get(method, method.lower())
    for path, parts in PATHS:
        if len(parts) == len(sent) and all(a == b or a[:1] == "{" for a, b in zip(parts, sent)):
            if method in at_version(version)["paths"].get(path, {}):
                return path, method
    for path, parts in PATHS:
        item = at_version(version)["paths"].get(path, {})
        if slashes and item.get("x-slashes") and method in item and item[method].get("x-slashes", True) and len(sent) > len(parts) and sent[:len(parts) - 1] == parts[:-1]:
            return path, method
    return None


def complaint(validator, value):
    """What is wrong with the value, or None."""
    if validator.is_valid(value):
        return None
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    return f"{'.'.join(map(str, error.absolute_path)) or 'the body'}: {error.message[:500]}"


def check_reply(version, unversioned, by_application, method, target, status, headers, body):
    """
    Returns what in a reply is not as the document says, or None. unversioned: the path has no version, so that
    errors look as those of the oldest one. body: parsed, or None for HEAD.
    """
    found = operation_of(version, method, target)
    if body and body.get("code") == "endpoint_not_available":
        found = operation_of(version, method, target, slashes=False)
    if not by_application or found is None:
        if status < 400:
            return f"the document does not know {method} {target.split('?')[0]}"
        return complaint(error_validator("legacy" if unversioned else version), body) if method != "HEAD" else None
    if unversioned and status == 400 and body is not None:
        problem = complaint(error_validator("legacy"), body)
        if problem:
            return problem
        body = {name: value for name, value in body.items() if name != "errors"}
    expected = reply_validator(version, *found, status)
    if expected is None:
        return f"the document does not have the status {status} for {found}"
    validator, documented = expected
    sent = {name.lower(): value for name, value in headers}
    for name, (required, schema) in documented.items():
        if name in sent:
            problem = complaint(schema, sent[name])
            if problem:
                return f"header {name}: {problem}"
        elif required:
            return f"the header {name} is missing"
    more = (HEADERS & set(sent)) - set(documented)
    if more:
        return f"the document does not know the headers {more} of {found} {status}"
    return complaint(validator, body) if method != "HEAD" else None


# What the schemas cannot say.
BEYOND_SCHEMAS = re.compile(r"metadata |[\w.?\[\]-]+ is not known here|[\w.]+ is given twice with different values|"
                            r"[\w.]+ must not (contain the|be blank)|"
                            r"planIds must name each plan of the group once|"
                            r"advanceDays is required, or frozenTime|frozenTime must (not be sent with|be a time of|be at most|lie after) |"
                            r"(Idempotency-Key|If-Match|If-None-Match|Commet-Version|x-api-key|Authorization|path|query) |"
                            r"allowedAddresses\.[0-9]+ must (have no bits behind|be an IPv4)|"
                            r"expiresInDays must be (at most [0-9]+|left out): the API key of this call ends")


def check_request(version, method, target, body, status, answer):
    """
    Returns what is wrong when a body was taken that the document forbids, or refused though the document allows
    it; else None. body: bytes; answer: the parsed reply.
    """
    found = operation_of(version, method, target)
    validator = found and request_validator(version, *found)
    if not validator or not (status < 300 or (status == 400 and answer["code"] == "validation_error")):
        return None
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if status < 300:
        # An update may be an empty list, as one language writes its empty map.
        return None if value == [] else complaint(validator, value)
    why = [f"{row['field']} {row['message']}" for row in answer["details"]]
    if validator.is_valid(value) and not any(map(BEYOND_SCHEMAS.match, why)):
        return f"the document allows this body, but: {why}"
    return None
