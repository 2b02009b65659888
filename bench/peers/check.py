"""
Compares what the peers answer with what Clientele answers: the same requests to each, every one with an organization of
its own. Ids and times are compared by their form and by where they return. Started by bench/run before it measures.

    check.py clientele=URL NAME=URL...
"""

import http.client
import json
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import dataset  # noqa: E402

HEADERS = ("Content-Type", "Cache-Control", "Clientele-Result", "Idempotent-Replayed")
ADDRESS = {"line1": "12 St James Square", "city": "London", "postalCode": "SW1Y 4JH", "country": "GB"}
FULL = {"externalId": "full|1", "email": "ada@example.com", "fullName": "Ada \u00c5 Lovelace \U0001f600", "taxDocument": "20-1",
        "timezone": "Europe/London", "address": {**ADDRESS, "line2": "back", "state": "x", "region": "y"},
        "metadata": {"plan": "pro", "seats": 3, "nested": {"list": [1, 2.5, None, True, "\u00fc<&>"]}}, "domain": "ignored"}
BATCH = [{"email": f"b{i}@example.com", "externalId": f"b{i}", "address": ADDRESS if i % 2 else None, "timezone": "UTC"}
         for i in range(6)]
BAD_EMAILS = ("", "a", "a@b", "@b.c", "a@.c", "a..b@c.de", "a b@c.de", "a@-b.de", "a@b-.de", "a@b.c" + "x" * 200, 7)
GOOD_EMAILS = ("a@b.c", "a+b.c_d@x-y.example", "\u00fc@m\u00fcnchen.example")

BASE = "/api/v1/customers"


def create(body, key=None, **more):
    return "POST", BASE, body, {**({"Idempotency-Key": key} if key else {}), **more}


def update(ref, body, key=None):
    return "PATCH", f"{BASE}/{ref}", body, {"Idempotency-Key": key} if key else {}


def batch(items, key=None):
    return "POST", f"{BASE}/batch", {"customers": items}, {"Idempotency-Key": key} if key else {}


def get(rest):
    return "GET", BASE + rest, None, {}


def requests():
    """
    Method, path, body and headers of each; {0} in a path is the first id that was answered, {next} the last cursor.
    A body of bytes is sent as it is.
    """
    yield get("")
    yield create({"email": "min@example.com"})
    yield create({"email": "min@example.com"}, "k-min")
    yield create({"email": "min@example.com"}, "k-min")
    yield create({"email": "min@example.com"}, '"k-min"')
    yield create({"email": "other@example.com"}, "k-min")
    yield create(FULL, "k-full")
    yield create(FULL, "k-full")
    yield create(FULL, "k-full-2")
    yield create(FULL, "k-full-2")
    yield create(FULL)
    yield create({"id": "by-id", "billingEmail": "by-id@example.com", "taxDocument": "1", "address": {**ADDRESS, "country": "BR"}})
    yield create({"id": "a", "externalId": "b", "email": "x@example.com"})
    yield create({"email": "x@example.com", "fullName": None, "address": None, "metadata": None, "timezone": None, "externalId": None})
    for email in (*BAD_EMAILS, *GOOD_EMAILS):
        yield create({"email": email})
    for wrong in ({"fullName": "x" * 201}, {"fullName": "\U0001f600" * 200}, {"externalId": ""}, {"externalId": "x" * 101},
                  {"timezone": "Mars/Base"}, {"timezone": 1}, {"metadata": []}, {"metadata": "x"}, {"address": []}, {"address": "x"},
                  {"address": {}}, {"address": {**ADDRESS, "country": "XX"}}, {"address": {**ADDRESS, "city": 1}},
                  {"address": {**ADDRESS, "city": "x" * 201}}, {"addressId": "x"}, {"addressId": 1},
                  {"addressId": "0123ABCD-0123-0123-0123-0123456789ab"}, {"taxDocument": "x" * 101}, {"taxDocument": False},
                  {"metadata": {"a": [[[[[[[1]]]]]]]}}, {"metadata": {"a": [[[[[[[[1]]]]]]]]}}, {"metadata": {"a": [0] * 1001}},
                  {"metadata": {"a": "x" * 17000}}):
        yield create({"email": "x@example.com", **wrong})
    yield create({})
    yield create({"email": 1, "fullName": 2, "timezone": 3})
    yield create([])
    yield create(b"")
    yield create(b"{")
    yield create(b'{"email":"x@example.com",}')
    yield create(b"7")
    yield create({"email": "x@example.com"}, "k" * 256)
    yield create({"email": "x@example.com"}, **{"x-api-key": "ck_live_" + "0" * 40})
    yield create({"email": "x@example.com"}, **{"x-api-key": "nothing"})
    for ref in ("{0}", "full%7C1", "by-id", "nobody", "cus_0000000000000000000000", "cus_zzzzzzzzzzzzzzzzzzzzzz"):
        yield get(f"/{ref}")
    yield update("{0}", {"fullName": "New Name"}, "k-update")
    yield update("{0}", {"fullName": "New Name"}, "k-update")
    yield update("{0}", {"fullName": "Other Name"}, "k-update")
    yield update("full%7C1", {"metadata": {"plan": "free"}, "address": ADDRESS, "timezone": "Asia/Tokyo", "email": "new@example.com"})
    yield update("full%7C1", {})
    yield update("full%7C1", b"", "k-empty")
    yield update("full%7C1", b"[]")
    yield update("full%7C1", {"email": "bad", "timezone": "bad"})
    yield update("by-id", {"externalId": "full|1"})
    yield update("nobody", {"fullName": "x"})
    yield update("nobody", {"fullName": "x"}, "k-nobody")
    yield get("/full%7C1")
    yield batch(BATCH, "k-batch")
    yield batch(BATCH, "k-batch")
    yield batch(BATCH[:3], "k-batch")
    yield batch(BATCH[3:] + [{"email": "late@example.com", "externalId": "late"}], "k-batch-2")
    yield batch(BATCH[3:] + [{"email": "late@example.com", "externalId": "late"}], "k-batch-2")
    yield batch([BATCH[0], {"email": "twice@example.com", "externalId": "twice"}, {"email": "again@example.com", "externalId": "twice"}])
    yield batch([{"email": "bad"}, {"email": "fine@example.com"}, {"email": "x@example.com", "timezone": "bad", "x": [1]}], "k-batch-3")
    yield batch([{"email": "bad"}], "k-batch-4")
    yield batch([{"email": "bad"}], "k-batch-4")
    yield batch([{"fullName": "x"}, 7, {"email": "bad"}])
    yield batch([])
    yield batch("x")
    yield batch([BATCH[0]] * 101)
    yield "POST", f"{BASE}/batch", {}, {}
    yield get("?limit=3")
    yield get("?limit=3&cursor={next}")
    yield get("?limit=100")
    yield get("?limit=0&cursor=x")
    yield get("?limit=101")
    yield get("?limit=x")
    yield "GET", "/api/v1/nowhere", None, {}


class Contender:
    def __init__(self, name, url, place):
        self.name, self.key = name, dataset.key("Check", place)
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        self.ids, self.cursor = {}, ""

    def masked(self, value):
        if isinstance(value, dict):
            return {name: self.masked(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.masked(part) for part in value]
        if isinstance(value, str):
            if re.fullmatch(r"cus_[0-9A-Za-z]{22}", value):
                return f"<id {self.ids.setdefault(value, len(self.ids))}>"
            if re.fullmatch(r"cur_[0-9A-Za-z]{22}", value):
                self.cursor = value
                return f"<cursor {self.ids.get(value.replace('cur_', 'cus_'))}>"
            if re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
                return "<time>"
        return value

    def ask(self, method, path, body, headers):
        path = path.replace("{0}", next(iter(self.ids), "")).replace("{next}", self.cursor)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"x-api-key": self.key, "Content-Type": "application/json", **headers}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read()
        try:
            answer = self.masked(json.loads(text))
        except ValueError:
            answer = text.decode(errors="replace")
        if isinstance(answer, dict) and answer.get("code") == "invalid_json":
            answer["message"] = answer["error"]["message"] = "<what the parser says>"
        found = {name: response.getheader(name) for name in HEADERS}
        # Some frameworks add a character set, which JSON does not need.
        found["Content-Type"] = (found["Content-Type"] or "").partition(";")[0]
        request_id = re.fullmatch(r"req_[0-9A-Za-z]{22}", response.getheader("X-Request-Id") or "") is not None
        return response.status, answer, found, request_id


def main():
    contenders = [Contender(*word.split("=", 1), place) for place, word in enumerate(sys.argv[1:])]
    bad = dict.fromkeys((c.name for c in contenders[1:]), 0)
    count = 0
    for request in requests():
        count += 1
        wanted, *others = [(c, c.ask(*request)) for c in contenders]
        for contender, answer in others:
            if answer == wanted[1]:
                continue
            bad[contender.name] += 1
            if bad[contender.name] > 3:  # the rest often follows from these
                continue
            method, path, body, headers = request
            print(f"{method} {path} {str(body)[:200]} {headers}\n  clientele: {wanted[1]}\n  {contender.name}: {answer}")
    for name, number in bad.items():
        print(f"{name}: {count - number} of {count} answers equal")
    sys.exit(any(bad.values()))


if __name__ == "__main__":
    main()
