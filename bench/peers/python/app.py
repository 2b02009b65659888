"""The customers API of Clientele with FastAPI and asyncpg, for comparison in bench/run."""

import hashlib
import re
import time
from contextlib import asynccontextmanager
from uuid import UUID

import orjson
from fastapi import FastAPI, Request, Response

from customer import batched, detailed, read_customer, shown
from ids import id_text, new_id, parse_id
from store import Duplicate, Mismatch, Store

KEY_FORM = re.compile(r"ck_(live|sandbox)_[0-9A-Za-z]{40}")
KEY_LIFE_S = 1
BEFORE_ALL = UUID(int=(1 << 128) - 1)

# ---- errors


class Problem(Exception):
    def __init__(self, status, kind, code, param, message, details=None):
        self.status, self.kind, self.code, self.param, self.message, self.details = status, kind, code, param, message, details

    def response(self):
        details = self.details and [{"field": field, "message": message} for field, message in self.details]
        error = {"type": self.kind, "code": self.code, "message": self.message, "param": self.param, "details": details,
                 "doc_url": f"/api-reference/2026-08-27/errors/{self.code}.md"}
        return answer(self.status, {"success": False, "code": self.code, "message": self.message, "details": details,
                                    "error": error})


def invalid(faults, message=None):
    return Problem(400, "validation_error", "validation_error", faults[0][0], message or f"{faults[0][0]}: {faults[0][1]}",
                   faults)


def invalid_key(message):
    return invalid([("Idempotency-Key", message)], message)


UNAUTHORIZED = (401, "authentication_error", "unauthorized", "x-api-key", "Invalid API key.")
NO_CUSTOMER = (404, "not_found_error", "customer_not_found", "id", "There is no customer with this id.")
NO_PATH = (404, "not_found_error", "not_found", None, "There is nothing at this path.")
TAKEN = (409, "conflict_error", "duplicate", "externalId", "Another customer has this external id.")
OTHER_REQUEST = (409, "conflict_error", "idempotency_key_mismatch", "Idempotency-Key",
                 "This idempotency key was used for a different request.")
DEFECT = (500, "internal_error", "internal_error", None, "Something went wrong on our side. Nothing was done.")

# ---- requests and answers


def respond(status, body, **headers):
    """A finished response: FastAPI then neither looks at the value again nor makes a model of it."""
    return Response(body, status, media_type="application/json", headers={
        "Cache-Control": "no-store", "X-Request-Id": id_text("req_", new_id()), **headers})


def answer(status, value):
    return respond(status, orjson.dumps(value))


def respond_kept(kept):
    """With an answer as it is kept for a key: status, headers as lines, body."""
    (status, lines, body), replayed = kept
    headers = dict(line.split(": ", 1) for line in lines.splitlines())
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return respond(status, body, **headers)


keys = {}


async def tenant_of(request):
    key = request.headers.get("x-api-key")
    if key and KEY_FORM.fullmatch(key):
        digest = hashlib.sha256(key.encode()).digest()
        now = time.monotonic()
        if (known := keys.get(digest)) and known[0] > now:
            return known[1]
        if tenant := await request.app.state.store.holder(digest):
            keys[digest] = now + KEY_LIFE_S, tenant
            return tenant
    raise Problem(*UNAUTHORIZED)


def idempotency(request, body):
    key = request.headers.get("idempotency-key")
    if key is None:
        return None, None
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255:
        raise invalid_key("Idempotency-Key must have 1 to 255 characters.")
    if not (key.isascii() and key.isprintable()):
        raise invalid_key("Idempotency-Key must be printable ASCII.")
    return key, hashlib.sha256(b"%s\n%s\n%s" % (request.method.encode(), request.scope["raw_path"], body)).digest()


def body_object(body, may_be_empty=False):
    if may_be_empty and not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "validation_error", "invalid_json", None, f"The body is not valid JSON: {error}.") from None
    if may_be_empty and value == []:
        return {}
    if not isinstance(value, dict):
        raise invalid([("body", "must be a JSON object")])
    return value


@asynccontextmanager
async def lifespan(app):
    app.state.store = await Store.open()
    yield
    await app.state.store.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.exception_handler(Problem)
async def tell_problem(request, problem):
    return problem.response()


@app.exception_handler(404)
async def tell_no_path(request, error):
    return Problem(*NO_PATH).response()


@app.exception_handler(Duplicate)
async def tell_duplicate(request, error):
    return Problem(*TAKEN).response()


@app.exception_handler(Mismatch)
async def tell_mismatch(request, error):
    return Problem(*OTHER_REQUEST).response()


@app.exception_handler(Exception)
async def tell_defect(request, error):
    return Problem(*DEFECT).response()


# ---- the calls


@app.post("/api/v1/customers")
async def create(request: Request):
    tenant = await tenant_of(request)
    body = await request.body()
    key, request_hash = idempotency(request, body)
    wanted, faults = read_customer(body_object(body), True)
    if faults:
        raise invalid(faults)

    def render():
        status, result = (200, "existing") if wanted["existing"] else (201, "created")
        return status, f"Clientele-Result: {result}\n", orjson.dumps(shown(wanted, tenant["livemode"]))

    return respond_kept(await request.app.state.store.create(tenant["environment"], [wanted], key, request_hash, render))


@app.get("/api/v1/customers/{ref}")
async def get(ref: str, request: Request):
    tenant = await tenant_of(request)
    found = await request.app.state.store.find(tenant["environment"], ref)
    if not found:
        raise Problem(*NO_CUSTOMER)
    return answer(200, detailed(found, tenant["livemode"]))


@app.patch("/api/v1/customers/{ref}")
async def update(ref: str, request: Request):
    tenant = await tenant_of(request)
    body = await request.body()
    key, request_hash = idempotency(request, body)
    change, faults = read_customer(body_object(body, may_be_empty=True), False)
    if faults:
        raise invalid(faults)
    kept = await request.app.state.store.update(tenant["environment"], ref, change, key, request_hash,
                                                lambda stored: (200, "", orjson.dumps(shown(stored, tenant["livemode"]))))
    if not kept[0]:
        raise Problem(*NO_CUSTOMER)
    return respond_kept(kept)


@app.get("/api/v1/customers")
async def list_customers(request: Request):
    tenant = await tenant_of(request)
    faults = []
    wanted, cursor = request.query_params.get("limit"), request.query_params.get("cursor")
    limit = int(wanted) if wanted and wanted.isdecimal() and wanted.isascii() else 0 if wanted else 25
    if not 1 <= limit <= 100:
        faults.append(("limit", "must be a number from 1 to 100"))
    before = parse_id("cur_", cursor) if cursor else BEFORE_ALL
    if not before:
        faults.append(("cursor", "must be the nextCursor of a previous page"))
    if faults:
        raise invalid(faults)
    rows = await request.app.state.store.list(tenant["environment"], before, limit + 1)
    page = {"object": "list", "data": [shown(c, tenant["livemode"]) for c in rows[:limit]], "hasMore": len(rows) > limit}
    if page["hasMore"]:
        page["nextCursor"] = id_text("cur_", rows[limit - 1]["id"])
    return answer(200, page)


def read_items(items):
    """Of each item: what was sent, the customer, what is wrong with it."""
    if items is None:
        raise invalid([("customers", "is required")])
    if not isinstance(items, list):
        raise invalid([("customers", "must be an array")])
    if not 1 <= len(items) <= 100:
        raise invalid([("customers", "must have 1 to 100 items")])
    whole = True  # every broken item can be told of in "failed"
    read = []
    for item in items:
        if not isinstance(item, dict):
            read.append((item, None, [("", "must be an object")]))
            whole = False
            continue
        customer, faults = read_customer(item, True)
        if faults and not isinstance(item.get("email"), str) and not isinstance(item.get("billingEmail"), str):
            whole = False
        read.append((item, customer, faults))
    if not whole:
        raise invalid([(f"customers.{i}.{field}".rstrip("."), message)
                       for i, (_, _, faults) in enumerate(read) for field, message in faults])
    return read


@app.post("/api/v1/customers/batch")
async def batch(request: Request):
    tenant = await tenant_of(request)
    body = await request.body()
    key, request_hash = idempotency(request, body)
    items = read_items(body_object(body).get("customers"))
    first, customers = {}, []
    for _, customer, faults in items:
        external_id = customer["external_id"]
        if not faults and (external_id is None or first.setdefault(external_id, customer) is customer):
            customers.append(customer)

    def render():
        successful, failed = [], []
        for i, (sent, customer, faults) in enumerate(items):
            if faults:
                field, message = faults[0]
                failed.append({"index": i, "error": f"{field}: {message}", "code": "validation_error", "param": field, "data": sent})
            else:
                one = customer if customer["external_id"] is None else first[customer["external_id"]]
                successful.append(batched(one, i, one["existing"] or one is not customer))
        return 200, "", orjson.dumps({"successful": successful, "failed": failed, "object": "customer_batch",
                                      "livemode": tenant["livemode"]})

    if not customers and key is None:
        return respond_kept((render(), False))
    return respond_kept(await request.app.state.store.create(tenant["environment"], customers, key, request_hash, render))
