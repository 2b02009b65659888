"""Contract section 3: metadata comes back as the very text that was sent."""

import json

import pytest

from helpers import CURRENT, LEGACY, VERSIONS, at_least, mail, nothing_written, uid

TEXTS = [
    '{}',
    '{ }',
    '{\n}',
    '{"a":1}',
    '{ "a" : 1 }',
    '{"a":1 ,\r\n\t"b":2}',
    '{"b":1,"a":2}',
    '{"10":1,"9":2}',
    # numbers keep their letters
    '{"n":1.10}',
    '{"n":1e2}',
    '{"n":1E+2}',
    '{"n":12345678901234567890123}',
    '{"n":-0}',
    '{"n":-0.0}',
    '{"n":0.1000}',
    '{"n":1e-7}',
    '{"n":9007199254740993}',
    '{"n":18446744073709551616}',
    '{"n":-9223372036854775809}',
    '{"n":1e400}',
    '{"n":1e131071}',
    '{"n":0e0}',
    '{"n":3.141592653589793238462643383279502884197169399375105820974944}',
    '{"n":[1.0,1.00,1.000]}',
    # escapes stay escapes, and letters letters
    '{"s":"\\u00e9"}',
    '{"s":"é"}',
    '{"s":"e\u0301"}',
    '{"s":"\\/"}',
    '{"s":"/"}',
    '{"s":"\\u002f"}',
    '{"s":"\\ud83d\\ude00"}',
    '{"s":"😀"}',
    '{"s":"\\n\\t\\b\\f\\r\\"\\\\"}',
    '{"s":"\\u000a"}',
    '{"s":"\\u0001\\u001f"}',
    '{"s":"\u007f"}',
    '{"s":"\u2028\u2029"}',
    '{"s":"\ufffe\uffff"}',
    '{"s":"\U0010ffff"}',
    '{"s":"\u200b\u202e\ufeff"}',
    '{"s":"\\uDBFF\\uDFFF"}',
    '{"\\u0061":1}',
    '{"":1}',
    '{" ":1}',
    '{"\\"":1}',
    '{"\\\\":1}',
    '{"a.b":1,"a":{"b":2}}',
    '{"__proto__":{"x":1},"constructor":1,"toString":null}',
    '{"null":null,"true":true,"false":false}',
    '{"created_at":1,"createdAt":2}',
    '{"metadata":{"metadata":{}}}',
    '{"email":"not the e-mail","id":"not the id"}',
    '{"a":[],"b":{},"c":[{}],"d":[[]],"e":""}',
    '{"a":[1,[2,[3,[4]]]]}',
    '{"a":null}',
    # naughty texts as values
    '{"s":"\'; DROP TABLE customer; --"}',
    '{"s":"1\' OR \'1\'=\'1"}',
    '{"s":"$$; SELECT 1; $$"}',
    '{"s":"<script>alert(1)</script>"}',
    '{"s":"%s%s%n%x"}',
    '{"s":"%00%0a"}',
    '{"s":"\\\\0"}',
    '{"s":"\\\\u0000"}',
    # what looks like a large exponent and is part of an escape
    '{"s":"\\ue1234 \\u9e12345 \\uE00012 \\\\ue12345 \\ud83d\\ude001234","n":1e-9999}',
    '{"s":"{\\"a\\":1}"}',
    '{"s":"]]>"}',
    '{"s":"${jndi:x}"}',
    '{"s":"`id`"}',
    '{"s":"../../etc"}',
    '{"s":"NaN"}',
    '{"s":"Infinity"}',
    '{"s":"-1e999"}',
    '{"s":"0x1F"}',
    '{"s":"１２３"}',
    '{"s":"١٢٣"}',
    '{"s":"Ω≈ç√∫˜µ≤≥÷"}',
    '{"s":"田中さんにあげて下さい"}',
    '{"s":"ﷺ"}',
    '{"s":"Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗͕v̟̜̘̦͟o̶̙̰̠kè͚̮̺̪̹̱̤"}',
    '{"s":"\u0300\u0301\u0302"}',
    '{"s":"👾 🙇 💁 🙅"}',
    '{"s":"🇺🇸🇷🇺🇸"}',
    '{"s":"بِسْمِ"}',
    '{"s":"ı İ ß ſ K"}',
    # and as keys
    '{"\'; DROP TABLE customer; --":1}',
    '{"田":1,"😀":2,"é":3,"e\u0301":4}',
    '{"<b>":1,"&amp;":2}',
    '{"%s":1,"$1":2,"\\n":3}',
    '{"\\ud83d\\ude00x":1}',
    '{"constructor":{"prototype":{}}}',
    '{"length":0,"0":1}',
    '{"ﷺ":"ﷺ"}',
    '{"a":1,"A":2,"á":3}',
]


def holds(reply, text):
    """The text stands in the body exactly, directly behind its key."""
    return b'"metadata":' + text.encode("utf-8") in reply.body


def send(client, text, own=None, method="POST", path="/customers"):
    rest = f',"externalId":{json.dumps(own)}' if own else ""
    body = f'{{"email":"{mail()}"{rest} , "metadata" : {text} }}'
    return client.call(method, path, body.encode("utf-8"))


@pytest.mark.parametrize("text", TEXTS)
def test_metadata_is_returned_as_the_very_text(live, text):
    own = uid()
    made = send(live, text, own)
    assert made.status == 201 and holds(made, text), repr(made)
    some_id = made.json["id"]
    for reply in (live.get("/customers/" + some_id), live.get("/customers?externalId=" + own),
                  send(live, '{"other":1}', own)):
        assert reply.status == 200 and holds(reply, text), repr(reply)


@pytest.mark.parametrize("text", TEXTS)
def test_an_update_keeps_the_text_too(live, text):
    customer = live.create(metadata={"old": True})
    body = ('{"metadata":' + text + "}").encode()
    reply = live.patch("/customers/" + customer["id"], body)
    assert reply.status == 200 and holds(reply, text), repr(reply)
    assert holds(live.get("/customers/" + customer["id"]), text)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_returns_the_text(live, version):
    text = '{ "n" : 1.10 , "s":"\\u00e9é\\/" ,"b":1,"a":2}'
    client, own = live.at(version), uid()
    assert holds(send(client, text, own), text)
    assert holds(client.get("/customers/" + own), text)
    assert holds(client.get("/customers?externalId=" + own), text)
    if not at_least(version, "2026-06-07"):
        items = f'{{"customers":[{{"email":"{mail()}","metadata":{text}}}]}}'
        assert holds(client.post("/customers/batch", items.encode()), text)


def test_a_batch_stores_the_text(live):
    items, texts = [], TEXTS[:100]
    owns = [uid() for _ in texts]
    for own, text in zip(owns, texts):
        items.append(f'{{"email":"{mail()}","id":"{own}","metadata":{text}}}')
    live.post("/customers/batch", ('{"customers":[' + ",".join(items) + "]}").encode()).ok(200)
    for own, text in zip(owns, texts):
        assert holds(live.get("/customers/" + own), text), text


def test_many_random_documents_come_back_unchanged(live):
    import random

    source = random.Random(20260731)
    letters = [
        "a", "Z", "0", " ", "é", "😀", "\\n", "\\u00e9", "\\/", "\\\\", "\\\"", "ﷺ", "\u200b", "\\ud83d\\ude00", "%", "'"
    ]

    def space():
        return source.choice(["", "", "", " ", "\n", "\t"])

    def text():
        return '"' + "".join(source.choice(letters) for _ in range(source.randrange(8))) + '"'

    def number():
        return source.choice(
            ["0", "-0", "1", "-17", "1.50", "2e3", "2E-3", "12345678901234567890", "0.0000001", "1e308"])

    def value(depth):
        kind = source.randrange(8 if depth < 6 else 5)
        if kind < 2:
            return text()
        if kind < 4:
            return number()
        if kind == 4:
            return source.choice(["true", "false", "null"])
        if kind < 6:
            return "[" + ",".join(space() + value(depth + 1) + space()
                                  for _ in range(source.randrange(4))) + space() + "]"
        return document(depth + 1)

    def document(depth):
        names = {json.loads(name): name for name in (text() for _ in range(source.randrange(5)))}
        return "{" + space() + ",".join(space() + name + space() + ":" + space() + value(depth) + space()
                                        for name in names.values()) + "}"

    for _ in range(150):
        one = document(1)
        own = uid()
        made = send(live, one, own)
        assert made.status == 201 and holds(made, one), repr(made)
        assert holds(live.get("/customers/" + own), one), one


# ---------------------------------------------------------------- limits


def of_bytes(n):
    return '{"a":"' + "x" * (n - 8) + '"}'


def of_depth(n):
    """n objects inside each other, the outermost included."""
    return '{"a":' * (n - 1) + "{}" + "}" * (n - 1)


def of_array_depth(n):
    return '{"a":' + "[" * (n - 1) + "]" * (n - 1) + "}"


def of_values(n):
    return '{"a":[' + ",".join("1" for _ in range(n - 1)) + "]}"


def of_members(n):
    return "{" + ",".join(f'"{i}":1' for i in range(n)) + "}"


def of_number(n):
    return '{"n":1' + "2" * (n - 1) + "}"


def of_fraction(n):
    return '{"n":-0.' + "1" * (n - 3) + "}"


LIMITS = [("bytes", of_bytes, 16384), ("depth", of_depth, 8), ("depth of arrays", of_array_depth, 8),
          ("values", of_values, 1000), ("members", of_members, 1000), ("letters of a number", of_number, 64),
          ("letters of a fraction", of_fraction, 64)]


@pytest.mark.parametrize("what, make, most", LIMITS, ids=[limit[0] for limit in LIMITS])
def test_the_limit_itself_is_accepted(live, what, make, most):
    reply = send(live, make(most))
    assert reply.status == 201, repr(reply)
    assert holds(live.get("/customers/" + reply.json["id"]), make(most))


@pytest.mark.parametrize("what, make, most", LIMITS, ids=[limit[0] for limit in LIMITS])
@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_one_more_is_refused_and_nothing_written(live, db, what, make, most, version):
    client = live.at(version)
    customer = live.create(metadata={"kept": 1})
    with nothing_written(db):
        send(client, make(most + 1)).invalid("metadata")
        send(client, make(most + 1), method="PUT", path="/customers/" + customer["id"]).invalid("metadata")
        failed = client.post(
            "/customers/batch",
            (f'{{"customers":[{{"email":"{mail()}","metadata":{make(most + 1)}}}]}}').encode()).data["failed"]
        assert [item["index"] for item in failed] == [0]
    assert live.fetch(customer["id"])["metadata"] == {"kept": 1}


def test_the_bytes_are_counted_not_the_letters(live):
    send(live, '{"a":"' + "é" * 8188 + '"}').ok(201)
    send(live, '{"a":"' + "é" * 8189 + '"}').invalid("metadata")


def test_white_space_inside_counts(live):
    send(live, '{"a":1' + " " * (16384 - 7) + "}").ok(201)
    send(live, '{"a":1' + " " * (16385 - 7) + "}").invalid("metadata")


def test_white_space_around_does_not_count(live):
    send(live, " " * 20000 + '{"a":1}' + " " * 20000).ok(201)


def test_the_number_limit_is_metadata_not_the_value(live):
    for text in ("1e" + "0" * 62, "-" + "9" * 63, "0." + "0" * 62):
        assert len(text) == 64
        assert holds(send(live, '{"n":' + text + "}"), '{"n":' + text + "}")


@pytest.mark.parametrize("text", [
    '{"a":"\\ud83d\\ude000000"}', '{"a":"\\u00e90000"}', '{"n":1e9999}', '{"n":-2.5E-99999}', '{"n":9e999,"m":' + "7" * 60 + 'e999}'
], ids=range(5))
def test_what_no_index_could_hold_comes_back_unchanged(live, text):
    """Their texts and numbers are those that a search in metadata takes apart."""
    own = uid()
    made = send(live, text, own)
    assert made.status == 201 and holds(made, text), repr(made)
    assert holds(live.get("/customers/" + own), text)
