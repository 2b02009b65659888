"""What the contract tests share: a client whose replies check themselves, raw requests, expected shapes and data."""

import email.utils
import http.client
import itertools
import json
import re
import secrets
import socket
import threading
from urllib.parse import urlsplit

import requests

import document
from privacy import SENT

# ---------------------------------------------------------------- versions (contract section 1)

LEGACY = "legacy"
DATED = [
    "2026-05-01", "2026-05-12", "2026-05-18", "2026-05-25", "2026-06-07", "2026-06-10", "2026-06-23", "2026-07-11",
    "2026-07-24", "2026-07-31", "2026-08-27",
]
VERSIONS = [LEGACY] + DATED
CURRENT = DATED[-1]

OLD = {
    "id", "organizationId", "externalId", "fullName", "billingEmail", "timezone", "metadata", "createdAt", "updatedAt"
}
NEW = {"id", "externalId", "fullName", "email", "timezone", "metadata", "createdAt", "updatedAt", "object", "livemode"}
TAX = {"taxDocument", "documentType"}

# The members of a customer, version by version.
CUSTOMER_KEYS = {
    LEGACY: OLD | {"isActive"}, "2026-05-01": OLD | {"isActive"}, "2026-05-12": OLD, "2026-05-18": OLD,
    "2026-05-25": OLD | {"object", "livemode"}, "2026-06-07": NEW, "2026-06-10": NEW, "2026-06-23": NEW | TAX,
    "2026-07-11": NEW | TAX, "2026-07-24": NEW | TAX, "2026-07-31": NEW | TAX, "2026-08-27": NEW | TAX,
}


def at_least(version, first):
    return VERSIONS.index(version) >= VERSIONS.index(first)


def get_keys(version):
    """GET has more than the other calls."""
    extra = {"subscription"} | ({"address"} if at_least(version, "2026-07-24") else set())
    return CUSTOMER_KEYS[version] | extra


def email_key(version):
    return "email" if at_least(version, "2026-06-07") else "billingEmail"


def has_is_active(version):
    return version in (LEGACY, "2026-05-01")


def has_tax_document(version):
    return at_least(version, "2026-06-23")


def has_address_id(version):
    return at_least(version, "2026-06-07")


def has_search(version):
    return not at_least(version, "2026-06-07")


TIMEZONES = [
    "UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo",
    "America/Mexico_City", "America/Buenos_Aires", "America/Santiago", "America/Bogota", "America/Lima",
    "America/Asuncion", "Europe/London", "Europe/Paris", "Europe/Berlin", "Europe/Madrid", "Asia/Tokyo",
    "Asia/Shanghai", "Asia/Singapore", "Asia/Dubai", "Australia/Sydney",
]

# ---------------------------------------------------------------- errors (contract section 4)

ERRORS = {row["code"]: (row["type"], row["status"]) for row in document.document()["x-errors"]}
# What the front servers say of their own accord; they know neither the version nor a request's id.
FRONT_STATUS = {413, 414, 431, 502, 503, 504}

ERROR_KEYS = {"type", "code", "message", "param", "details", "doc_url"}
INTERNALS = re.compile(
    r"select |insert |update [a-z_]+ set|relation|pg_|libpq|psql|sqlstate|constraint|unique index|"
    r"clientele_serve|postgres|\.c:\d|environment_id|idempotency_key\b(?!_)|null value in|row-level|json_object|0x[0-9a-f]{6}",
    re.I)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
PUBLIC_ID = re.compile(r"cus_[0-9A-Za-z]{10,40}\Z")
HTTP_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT\Z")

_counter = itertools.count(1)
_run = secrets.token_hex(3)


def uid(prefix="u"):
    """A text that no other test uses."""
    return f"{prefix}-{_run}-{next(_counter)}"


def mail():
    return f"{uid('m')}@example.com"


def pairs_once(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a name stands twice in {names}"
    return dict(pairs)


def no_constant(text):
    raise AssertionError(f"{text} is not JSON")


def strict_json(body):
    return json.loads(body.decode("utf-8"), object_pairs_hook=pairs_once, parse_constant=no_constant)


def dumps(value):
    """Compact JSON in UTF-8, as bytes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


# ---------------------------------------------------------------- replies


def is_legacy_path(path):
    return re.match(r"/(api/)?v1(/|\?|$)", path) is None


class Reply:
    """One answer, independent of what fetched it. Knows which version the contract says it has."""
    def __init__(self, method, path, version, status, headers, body, front=frozenset()):
        self.method = method
        self.path = path
        self.version = version
        self.status = status
        self.headers = headers
        self.body = body
        self.front = FRONT_STATUS | front

    def __repr__(self):
        return f"<{self.method} {self.path[:200]} -> {self.status} {self.headers} {self.body[:1500]!r}>"

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times in {self!r}"
        return values[0] if values else None

    @property
    def json(self):
        return strict_json(self.body)

    @property
    def by_front_server(self):
        """True when the web server answered without asking the application, where it may."""
        return self.status in self.front and self.header("X-Request-Id") is None

    # -- what each kind of answer must look like; each returns the useful part

    def ok(self, status=200):
        assert self.status == status, repr(self)
        return self

    @property
    def data(self):
        """The resource, or the rows of a list, out of the version's envelope."""
        body = self.json
        assert self.status in (200, 201, 202), repr(self)
        if at_least(self.version, "2026-07-24"):
            # Three libraries unwrap what has both.
            assert "success" not in body or "data" not in body, repr(self)
            if body.get("object") == "list":
                return body["data"]
            return body
        assert body["success"] is True, repr(self)
        assert set(body) <= {"success", "data", "hasMore", "nextCursor", "has_more", "next_cursor"}, repr(self)
        return body["data"]

    def customer(self, status=None, get=False):
        if status is not None:
            self.ok(status)
        customer = self.data
        check_customer(customer, self.version, get=get or (self.method == "GET"))
        return customer

    def page(self):
        """(customers, next cursor or None)"""
        rows, cursor = self.rows()
        for row in rows:
            check_customer(row, self.version)
        return rows, cursor

    def rows(self):
        """(rows of any list, next cursor or None)"""
        self.ok(200)
        rows, body = self.data, self.json
        if at_least(self.version, "2026-07-24"):
            assert set(body) - {"nextCursor"} == {"object", "data", "hasMore"}, repr(self)
            assert body["object"] == "list"
        else:
            assert set(body) - {"nextCursor", "next_cursor"} == {"success", "data", "hasMore", "has_more"}, repr(self)
            # Java's libraries of these versions read no other spelling.
            assert (body["has_more"], body.get("next_cursor")) == (body["hasMore"], body.get("nextCursor"))
        assert isinstance(rows, list)
        assert isinstance(body["hasMore"], bool)
        assert ("nextCursor" in body) == body["hasMore"], "nextCursor stands exactly where more follows"
        if body["hasMore"]:
            assert isinstance(body["nextCursor"], str) and body["nextCursor"]
        return rows, body.get("nextCursor")

    def error(self, code, status=None):
        check_error(self)
        assert self.json["code"] == code, repr(self)
        if status is not None:
            assert self.status == status, repr(self)
        return self.json["error"]

    def fields(self):
        """The broken fields of a validation error."""
        return [d["field"] for d in self.error("validation_error", 400)["details"]]

    def invalid(self, *fields):
        """A validation error about exactly these fields, in any order."""
        assert sorted(set(self.fields())) == sorted(fields), repr(self)
        return self.json["error"]


def check_customer(customer, version, get=False):
    expected = get_keys(version) if get else CUSTOMER_KEYS[version]
    expected = expected | ({"archivedAt"} & set(customer) if at_least(version, "2026-08-27") else set())
    assert set(customer) == expected, f"{version}: extra {set(customer) - expected}, missing {expected - set(customer)}"
    assert PUBLIC_ID.match(customer["id"]), customer["id"]
    assert isinstance(customer[email_key(version)], str)
    assert customer["timezone"] in TIMEZONES
    assert isinstance(customer["metadata"], dict)
    for name in ("externalId", "fullName"):
        assert customer[name] is None or isinstance(customer[name], str)
    for name in ("createdAt", "updatedAt"):
        assert TIME.match(customer[name]), customer[name]
    assert customer["createdAt"] <= customer["updatedAt"]
    if "object" in expected:
        assert customer["object"] == "customer"
        assert isinstance(customer["livemode"], bool)
    if "organizationId" in expected:
        assert isinstance(customer["organizationId"], str) and customer["organizationId"]
    if "isActive" in expected:
        assert isinstance(customer["isActive"], bool)
    if "documentType" in expected:
        assert (customer["taxDocument"] is None) == (customer["documentType"] is None)
    if get:
        assert customer["subscription"] is None or set(customer["subscription"]) == {
            "id", "status", "planId", "planCode", "planName", "currentPeriodEnd", "cancelAtPeriodEnd"}


def check_error(reply):
    """The hybrid body of section 4, whoever wrote it."""
    body = reply.json
    assert isinstance(body, dict), repr(reply)
    assert {"success", "code", "message", "details", "error"} <= set(body), repr(reply)
    error = body["error"]
    assert set(error) == ERROR_KEYS, repr(reply)
    assert body["success"] is False
    for name in ("code", "message", "details"):
        assert body[name] == error[name], f"{name} differs: {reply!r}"
    assert error["code"] in ERRORS, repr(reply)
    kind, status = ERRORS[error["code"]]
    assert error["type"] == kind, repr(reply)
    if not reply.by_front_server:
        assert reply.status == status, repr(reply)
    assert isinstance(error["message"], str) and error["message"].strip()
    assert error["param"] is None or (isinstance(error["param"], str) and error["param"])
    if isinstance(error["details"], dict):
        assert (error["type"] == "conflict_error" or error["code"] == "forbidden") and error["details"], repr(reply)
    elif error["details"] is not None:
        assert isinstance(error["details"], list) and error["details"], repr(reply)
        for entry in error["details"]:
            assert set(entry) >= {"field", "message"}, repr(reply)
            assert isinstance(entry["field"], str) and entry["field"]
            assert isinstance(entry["message"], str) and entry["message"]
    if error["code"] == "validation_error":
        assert error["details"], f"details must not be empty: {reply!r}"
    match = re.fullmatch(r"(https?://.+|)/api-reference/([^/]+)/errors/([a-z_]+)\.md", error["doc_url"])
    assert match, error["doc_url"]
    assert match.group(3) == error["code"]
    if not reply.by_front_server and reply.version not in (None, LEGACY):
        assert match.group(2) == reply.version, error["doc_url"]
    if is_legacy_path(reply.path) and reply.status == 400 and not reply.by_front_server:
        assert isinstance(body.get("errors"), dict), f"legacy paths have errors at the top of a 400: {reply!r}"
        for field, messages in body["errors"].items():
            assert isinstance(field, str) and messages and all(isinstance(m, str) for m in messages)
        if error["code"] == "validation_error":
            assert set(body["errors"]) == {d["field"] for d in error["details"]}
    if reply.status == 405:
        assert reply.header("Allow"), repr(reply)
    if reply.status in (429, 503) and (reply.header("Server") == "nginx" or not reply.by_front_server):
        # (lighttpd has no header for its own 503 alone)
        assert re.fullmatch(r"[1-9]\d*", reply.header("Retry-After") or ""), repr(reply)
    texts = [error["message"], error["param"] or ""] + [d["message"] for d in error["details"] or [] if isinstance(d, dict)]
    for text in texts:
        assert not INTERNALS.search(text), f"internals in {text!r}"


def check_headers(reply):
    """Section 6, and the three headers of section 1. Front servers answer some errors by themselves."""
    assert reply.status == 304 or (reply.header("Content-Type") or "").split(";")[0].strip() == "application/json", repr(reply)
    if reply.by_front_server:
        return
    assert re.fullmatch(r"[!-~]{1,128}", reply.header("X-Request-Id") or ""), repr(reply)
    assert reply.header("Cache-Control") == "no-store", repr(reply)
    assert (reply.header("WWW-Authenticate") is not None) == (reply.status == 401), repr(reply)
    assert (reply.header("Location") is not None) == (reply.status == 201), repr(reply)
    legacy = [reply.header(name) for name in ("Deprecation", "Sunset", "Link")]
    of_all = reply.status == 200 and re.fullmatch(r"/(api/?)?(\?.*)?", reply.path)  # what the service is, in every version
    if of_all or not is_legacy_path(reply.path) or reply.method != "HEAD" and is_pathless(reply):
        assert legacy == [None, None, None], repr(reply)
        return
    if legacy != [None, None, None] or reply.method != "HEAD":
        assert legacy[0] == "true", repr(reply)
        assert HTTP_DATE.match(legacy[1] or ""), repr(reply)
        assert email.utils.parsedate_to_datetime(legacy[1])
    if reply.status == 404:
        assert legacy[2] is None, repr(reply)
    elif legacy[2] or len(reply.path) < 300:
        assert re.fullmatch(r'</api/v1/[^<>"\s]*>; rel="successor-version"', legacy[2] or ""), repr(reply)


def is_pathless(reply):
    """Whether the path itself is wrong, so that none replaces it."""
    body = reply.json
    served = "not served here" not in body.get("message", "")  # what libraries call and no route has
    return reply.status >= 400 and (body["code"] == "not_found" or not served or body["error"]["param"] in ("path", "query"))


def check(reply):
    for key in re.findall(rb'"apiKey":("[^"]*")', reply.body):
        SENT.body(key)
    check_headers(reply)
    if reply.method == "HEAD":
        assert reply.body == b"", repr(reply)
        return reply
    assert (reply.body == b"") == (reply.status == 304), repr(reply)
    if reply.status >= 400:
        check_error(reply)
    elif reply.body:
        reply.json  # strict
    check_document(reply)
    return reply


def check_document(reply):
    """The reply is what doc/openapi.json says of its version, where the test knows the version."""
    if reply.version is None and reply.status < 400:
        return
    problem = document.check_reply(reply.version or CURRENT, is_legacy_path(reply.path), not reply.by_front_server,
                                   reply.method, reply.path, reply.status, reply.headers,
                                   reply.json if reply.body else None)
    assert problem is None, f"not as in doc/openapi: {problem}: {reply!r}"


# ---------------------------------------------------------------- clients


def replayed(reply):
    value = reply.header("Idempotent-Replayed")
    assert value in (None, "true")
    return value == "true"


def first(reply, status):
    assert reply.status == status, repr(reply)
    assert not replayed(reply)
    return reply


def same_again(reply, original):
    assert (reply.status, reply.body) == (original.status, original.body)
    assert replayed(reply)
    return reply


def anonymous(reply):
    """The answer without what is random in every answer."""
    request_id = reply.header("X-Request-Id")
    return (reply.status, reply.body.replace(request_id.encode(), b"?"),
            sorted((n.lower(), v) for n, v in reply.headers
                   if n.lower() not in ("x-request-id", "date", "content-length")))


class Client:
    """Calls the API with one key; each reply is checked against the contract before the test sees it."""
    def __init__(self, url, key, base="/api/v1", version=None, pin=None):
        self.url = url.rstrip("/")
        self.key = key
        self.base = base
        self.header_version = version
        self.pin = pin
        self._local = threading.local()

    def at(self, version):
        """The same caller as a client of that version."""
        if version == LEGACY:
            return Client(self.url, self.key, "/api", None, self.pin)
        return Client(self.url, self.key, "/api/v1", version, self.pin)

    def on(self, base):
        return Client(self.url, self.key, base, self.header_version, self.pin)

    def through(self, url):
        return Client(url, self.key, self.base, self.header_version, self.pin)

    def with_key(self, key):
        return Client(self.url, key, self.base, self.header_version, self.pin)

    @property
    def session(self):
        """Of this thread."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        return self._local.session

    def version_of(self, path, header):
        if header is not None:
            return header if header in DATED else None
        if is_legacy_path(path):
            return LEGACY
        return self.pin or CURRENT

    def call(self, method, path, body=None, headers=None, idem=None, raw_path=False, timeout=30, checked=True):
        full = path if raw_path else self.base + path
        sent = {"User-Agent": "contract-tests"}
        if self.key is not None:
            sent["x-api-key"] = self.key
        if self.header_version is not None:
            sent["Commet-Version"] = self.header_version
        if idem is not None:
            sent["Idempotency-Key"] = idem
        if body is not None and not isinstance(body, bytes):
            body = dumps(body)
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        version = self.version_of(full, next((v for n, v in sent.items() if n.lower() == "commet-version"), None))
        SENT.request(full, sent.items(), body)
        got = self.session.request(method,
                                   self.url + full,
                                   data=body,
                                   headers=sent,
                                   timeout=timeout,
                                   allow_redirects=False)
        reply = Reply(method, full, version, got.status_code, list(got.raw.headers.items()), got.content)
        if not checked:
            return reply
        check(reply)
        # A file, or a part of one, is no JSON. With return=each the items may be anything, and so may the members of a merge patch.
        is_file = bool(set(sent.get("Content-Type", "").split(";")) & {"text/csv", "application/x-ndjson", "application/octet-stream"})
        merges = "merge-patch" in sent.get("Content-Type", "")
        # And with an option that is refused, or lets an item be anything.
        if body and version is not None and not merges and not is_file and "batch?" not in path and "return=each" not in sent.get("Prefer", ""):
            problem = document.check_request(version, method, full, body, reply.status, reply.json)
            assert problem is None, f"not as in doc/openapi: {problem}: {body[:500]!r} {reply!r}"
        return reply

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.call("PUT", path, body, **more)

    def patch(self, path, body=None, **more):
        return self.call("PATCH", path, body, **more)

    # -- shorthands

    def create(self, _body=None, _idem=None, **fields):
        """Creates and returns the new customer."""
        body = {email_key(self.version_of(self.base, self.header_version)): mail()} if _body is None else _body
        if isinstance(body, dict):
            body = {**body, **fields}
        reply = self.post("/customers", body, idem=_idem)
        customer = reply.customer(201)
        assert reply.header("Clientele-Result") == "created"
        return customer

    def fetch(self, some_id):
        return self.get("/customers/" + escape(some_id)).customer(200)

    def missing(self, some_id):
        return self.get("/customers/" + escape(some_id)).error("customer_not_found", 404)

    def batch(self, items, **more):
        reply = self.post("/customers/batch", {"customers": items}, **more).ok(200)
        return reply.data

    def walk(self, query="", limit=None):
        """All rows of a list, page by page."""
        rows, cursor = [], None
        for _ in range(1000):
            parts = [
                p for p in (query, f"limit={limit}" if limit else "", f"cursor={escape(cursor)}" if cursor else "") if p
            ]
            page, cursor = self.get("/customers" + ("?" + "&".join(parts) if parts else "")).page()
            rows += page
            if cursor is None:
                return rows
            assert len(page) == (limit or 25), "a page with a successor is full"
        raise AssertionError("the list does not end")


def escape(text):
    """Every byte that is not a letter or digit as %XX."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 or b in b"_-" else f"%{b:02X}" for b in text.encode())


def raw(client, head, body=b"", method=None, checked=True, sock=None, front=frozenset()):
    """
    Sends bytes as they are. head: request line and headers without the final blank line, as bytes or
    a list of byte lines; Host and Connection are added. front: statuses that the web server may answer
    by itself here, besides the usual ones.
    """
    if isinstance(head, list):
        head = b"\r\n".join(head)
    method = method or head.split(b" ", 1)[0].decode("latin-1")
    path = head.split(b"\r\n", 1)[0].split(b" ", 1)[1].rsplit(b" ", 1)[0].decode("latin-1")
    headers = [line.split(b":", 1) for line in head.split(b"\r\n")[1:]]
    versions = [value.strip().decode("latin-1") for name, value in headers if name.lower() == b"commet-version"]
    where = urlsplit(client.url)
    own = sock is None
    SENT.request(path, [(pair[0].decode("latin-1"), pair[1].strip()) for pair in headers if len(pair) == 2], body)
    sock = sock or socket.create_connection((where.hostname, where.port), timeout=20)
    try:
        extra = b"" if re.search(rb"\r\nconnection:", head, re.I) else b"\r\nConnection: close"
        try:
            sock.sendall(head + b"\r\nHost: api.example" + extra + b"\r\n\r\n" + body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may be there already
        response = http.client.HTTPResponse(sock, method=method)
        response.begin()
        content = response.read()
        reply = Reply(method, path, client.version_of(path, versions[0] if len(versions) == 1 else None),
                      response.status, response.getheaders(), content, front)
        if len(versions) > 1:
            reply.version = None
    finally:
        if own:
            sock.close()
    return check(reply) if checked else reply


def raw_get(client, target, *lines, method=b"GET", **more):
    """GET of a request target that no library would send."""
    key = [b"X-Api-Key: " + client.key.encode()] if client.key else []
    return raw(client, [method + b" " + target + b" HTTP/1.1", *key, *lines], **more)


def raw_post(client, target, body, *lines, method=b"POST", **more):
    return raw(client, [
        method + b" " + target + b" HTTP/1.1", b"X-Api-Key: " + client.key.encode(),
        b"Content-Length: " + str(len(body)).encode(), *lines
    ], body, **more)


# ---------------------------------------------------------------- the database, seen from outside


def scalar(db, sql, *args):
    with db.cursor() as cursor:
        cursor.execute(sql, args or None)
        row = cursor.fetchone()
    return row[0] if row else None


def execute(db, sql, *args):
    with db.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.rowcount


# What the clerk removes within seconds, whoever made it, does not count.
LASTING = {"import_part": "(environment_id, import_id) IN (SELECT environment_id, id FROM import_job WHERE ended_at IS NULL)",
           "idempotency_key": "created_at > now() - interval '1 hour'"}  # some tests make records old


def row_counts(db):
    """Rows of each table that belongs to environments."""
    with db.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'environment_id' AND table_schema = 'public'")
        return {table: scalar(db, f"SELECT count(*) FROM {table} WHERE {LASTING.get(table, 'true')}") for table, in cursor.fetchall()}


class nothing_written:
    """with nothing_written(db): ... no table of an environment has more or fewer rows afterwards."""
    def __init__(self, db):
        self.db = db

    def __enter__(self):
        self.before = row_counts(self.db)

    def __exit__(self, kind, value, trace):
        if kind is None:
            after = row_counts(self.db)
            changed = {table: (before, after[table]) for table, before in self.before.items() if after[table] != before}
            assert not changed, changed


def hold_key(connection, db, key):
    """
    Somebody is at work with that key: a copy of the record of KEY-pattern, inserted and not committed by the connection.
    """
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'idempotency_key' ORDER BY ordinal_position"
        )
        columns = [row[0] for row in cursor.fetchall()]
    values = ", ".join("%s" if column == "key" else column for column in columns)
    held = execute(
        connection,
        f"INSERT INTO idempotency_key ({', '.join(columns)}) SELECT {values} FROM idempotency_key WHERE key = %s", key,
        key + "-pattern")
    assert held == 1


def in_parallel(functions):
    """Runs them at once, one thread each; results in order, the first exception is raised."""
    results, errors = [None] * len(functions), []
    barrier = threading.Barrier(len(functions))

    def run(i, function):
        try:
            barrier.wait(60)
            results[i] = function()
        except BaseException as problem:  # handed to the caller below
            errors.append(problem)

    threads = [threading.Thread(target=run, args=(i, f)) for i, f in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if errors:
        raise errors[0]
    return results
