"""Contract section 3: creating one customer, field by field."""

import unicodedata

import pytest

from helpers import (CURRENT, LEGACY, TIMEZONES, VERSIONS, at_least, dumps, email_key, escape, execute, has_address_id, has_is_active,
                     has_tax_document, mail, nothing_written, row_counts, scalar, uid)

ADDRESS = {
    "line1": "1 Road", "line2": "Back", "city": "Bern", "state": "BE", "postalCode": "3000", "country": "CH",
    "region": "Mitte"
}
SMALL = {"line1": "1 Road", "city": "Bern", "postalCode": "3000", "country": "CH"}


def without(name):
    return {key: value for key, value in SMALL.items() if key != name}


def long_mail(length):
    """A well-formed address of that many characters; no label is longer than DNS allows."""
    domain = ".".join(["d" * 50] * 3) + ".com"
    return "a" * 30 + "@" + "x" * (length - len(domain) - 32) + "." + domain


# ---------------------------------------------------------------- what is refused

WRONG_TEXT = [1, 0, -1, 1.5, True, False, [], ["a"], {}, {"a": 1}]

BROKEN = []  # (what, body without e-mail, fields)
for name in ("externalId", "fullName", "taxDocument", "timezone", "addressId"):
    BROKEN += [(f"{name} {value!r}", {name: value}, [name]) for value in WRONG_TEXT]
BROKEN += [(f"metadata {value!r}", {"metadata": value}, ["metadata"]) for value in ([1], "x", "", 1, True, False)]
BROKEN += [(f"address {value!r}", {"address": value}, ["address"]) for value in ([1], "x", "", 1, True)]
BROKEN += [("externalId empty", {"externalId": ""}, ["externalId"]),
           ("externalId of 101", {"externalId": "x" * 101}, ["externalId"]),
           ("externalId of 101 emoji", {"externalId": "\U0001f600" * 101}, ["externalId"]),
           ("fullName of 201", {"fullName": "x" * 201}, ["fullName"]),
           ("fullName of 201 emoji", {"fullName": "\U0001f600" * 201}, ["fullName"]),
           ("fullName of 101 combined letters", {"fullName": "e\u0301" * 101}, ["fullName"]),
           ("taxDocument of 101", {"taxDocument": "9" * 101}, ["taxDocument"]),
           ("two ids", {"id": "one", "externalId": "two"}, ["externalId"]),
           ("two ids by case", {"id": "One", "externalId": "one"}, ["externalId"]),
           ("two ids by a space", {"id": "one", "externalId": "one "}, ["externalId"]), ]
BROKEN += [(f"timezone {z}", {"timezone": z}, ["timezone"])
           for z in ("", "utc", "Utc", "UTC ", " UTC", "GMT", "Europe/Vienna", "America/new_york", "America/New York",
                     "Mars/Olympus", "+02:00", "UTC\n")]
BROKEN += [(f"addressId {u}", {"addressId": u}, ["addressId"])
           for u in ("", "x", "123e4567-e89b-12d3-a456-42661417400", "123e4567-e89b-12d3-a456-4266141740000",
                     "123e4567-e89b-12d3-a456-42661417400g", "{123e4567-e89b-12d3-a456-426614174000}",
                     "123e4567_e89b_12d3_a456_426614174000", "123e4567-e89b-12d3-a456-426614174000 ",
                     "urn:uuid:123e4567-e89b-12d3-a456-426614174000", "cus_123")]
for name in ("line1", "city", "postalCode", "country"):
    BROKEN.append((f"address without {name}", {"address": without(name)}, [f"address.{name}"]))
    BROKEN.append((f"address with {name} null", {"address": {**SMALL, name: None}}, [f"address.{name}"]))
for name in ADDRESS:
    BROKEN += [(f"address.{name} {value!r}", {"address": {**ADDRESS, name: value}}, [f"address.{name}"])
               for value in (1, True, [], {})]
BROKEN += [(f"an empty address {empty}", {"address": empty},
            ["address.line1", "address.city", "address.postalCode", "address.country"]) for empty in ({}, [])]
BROKEN += [(f"country {c!r}", {"address": {**SMALL, "country": c}}, ["address.country"])
           for c in ("", "C", "CHE", "Switzerland", "XX", "ZZ", "AA", "QQ", "OO", "12", "C1", "C ", " CH", "..",
                     "\u00c4\u00c4", "\uff23\uff28", "756")]


@pytest.mark.parametrize("what, body, fields", BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_field_is_named_and_nothing_written(live, db, what, body, fields):
    with nothing_written(db):
        reply = live.post("/customers", {"email": "ok@example.com", **body}, idem=uid("k"))
        error = reply.invalid(*fields)
        if len(fields) == 1:
            assert error["param"] == fields[0]


BAD_MAILS = [
    "", " ", "plain", "plain.example.com", "@", "@b.co", "a@", "a@@b.co", "a@b@c.co", "a b@c.co", "a@b c.co", " a@b.co",
    "a@b.co ", "a@b.co\n", "\na@b.co", "a\t@b.co", "a@b.co\u0001", "<a@b.co>", "Ann <a@b.co>", "a@b.co, c@d.co",
    "a@b.co;c@d.co", "a@b..co", "a@.b.co", "a@b.co.", ".a@b.co", "a.@b.co", "a..b@c.co", "a@-b.co", "a@b-.co",
    "mailto:a@b.co", "a@b_c!.co", "a@b.co/x", "a\u200b@b c.co", "a(comment)@b.co", "a@[", "a,b@c.co", "a:b@c.co",
    "a\\@b.co",
]
GOOD_MAILS = [
    "a@b.co", "first.last@example.com", "user+tag@example.org", "x_y-z@sub.domain.example", "UPPER@EXAMPLE.COM",
    "1@1.co", "o'brien@example.ie", "a@b-c.co", "a@b--c.co", "123456@example.com", "_@example.com", "-@example.com",
    "a-b@c-d.museum", "very.common@example.com", "x@example.international", "a.b.c.d.e@f.g.h.i.example",
    "Mixed.Case+Tag@Example.Co.Uk",
]


@pytest.mark.parametrize("address", BAD_MAILS)
def test_what_is_no_mail_address_is_refused(live, db, address):
    with nothing_written(db):
        live.post("/customers", {"email": address}).invalid("email")


@pytest.mark.parametrize("address", GOOD_MAILS)
def test_a_mail_address_is_kept_letter_for_letter(live, address):
    customer = live.create({"email": address})
    assert customer["email"] == address
    assert live.fetch(customer["id"])["email"] == address


@pytest.mark.parametrize("value", [1, True, [], {}, ["a@b.co"], None, 1.5, 12345678901234567890123456789])
@pytest.mark.parametrize("spelling", ["email", "billingEmail"])
def test_a_mail_address_is_a_text(live, db, value, spelling):
    with nothing_written(db):
        fields = live.post("/customers", {spelling: value}).fields()
        assert len(set(fields)) == 1 and fields[0] in ("email", spelling)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_mail_address_is_named_as_the_version_names_it(live, version):
    for body in ({}, {"email": None}, {"billingEmail": None}, {"fullName": "x"}):
        live.at(version).post("/customers", body).invalid(email_key(version))


def test_mail_addresses_have_at_most_200_characters(live):
    assert live.create({"email": long_mail(200)})["email"] == long_mail(200)
    live.post("/customers", {"email": long_mail(201)}).invalid("email")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_broken_field_is_listed_not_only_the_first(live, db, version):
    body = {
        "email": "no", "externalId": "", "fullName": 1, "taxDocument": "9" * 101, "timezone": "x", "metadata": [1],
        "address": {"line1": 1, "country": "XX"}, "addressId": "x"
    }
    fields = {
        email_key(version), "externalId", "fullName", "timezone", "metadata", "address.line1", "address.city",
        "address.postalCode", "address.country"
    }
    if has_address_id(version):
        fields.add("addressId")
    if has_tax_document(version):
        fields.add("taxDocument")
    if has_is_active(version):
        body["isActive"], fields = "yes", fields | {"isActive"}
    with nothing_written(db):
        got = live.at(version).post("/customers", body).fields()
        assert {("email" if f == "billingEmail" else f)
                for f in got} == {("email" if f == "billingEmail" else f)
                                  for f in fields}


@pytest.mark.parametrize("version", [LEGACY, "2026-05-01"])
@pytest.mark.parametrize("value", ["true", "", 1, 0, [], {}])
def test_is_active_is_true_or_false(live, version, value):
    live.at(version).post("/customers", {"email": mail(), "isActive": value}).invalid("isActive")


@pytest.mark.parametrize("version", [v for v in VERSIONS if not has_is_active(v)])
@pytest.mark.parametrize("value", ["nonsense", False, 7])
def test_is_active_is_an_unknown_key_where_the_version_has_none(live, version, value):
    customer = live.at(version).create(isActive=value)
    assert live.at(LEGACY).fetch(customer["id"])["isActive"] is True


@pytest.mark.parametrize("version", [v for v in VERSIONS if not has_tax_document(v)])
@pytest.mark.parametrize("value", ["T-1", 7, "9" * 101])
def test_a_tax_document_is_an_unknown_key_where_the_version_has_none(live, version, value):
    customer = live.at(version).create(taxDocument=value)
    assert live.fetch(customer["id"])["taxDocument"] is None


# ---------------------------------------------------------------- what is accepted


def test_the_least_body_gets_every_default(live):
    customer = live.create({"email": "least@example.com"})
    assert customer == {
        "id": customer["id"], "object": "customer", "livemode": True, "externalId": None, "fullName": None,
        "email": "least@example.com", "taxDocument": None, "documentType": None, "timezone": "UTC", "metadata": {},
        "createdAt": customer["createdAt"], "updatedAt": customer["createdAt"]
    }
    got = live.fetch(customer["id"])
    assert got == {**customer, "address": None, "subscription": None}
    assert live.at(LEGACY).fetch(customer["id"])["isActive"] is True


@pytest.mark.parametrize("version", VERSIONS)
def test_null_is_not_given_for_every_optional_field(live, version):
    customer = live.at(version).create(fullName=None,
                                       externalId=None,
                                       id=None,
                                       taxDocument=None,
                                       address=None,
                                       addressId=None,
                                       timezone=None,
                                       metadata=None,
                                       isActive=None)
    assert (customer["externalId"], customer["fullName"], customer["timezone"], customer["metadata"]) == (None, None,
                                                                                                          "UTC", {})
    got = live.fetch(customer["id"])
    assert (got["taxDocument"], got["documentType"], got["address"]) == (None, None, None)


def test_null_is_not_given_inside_an_address_too(live):
    customer = live.create(address={**SMALL, "line2": None, "state": None, "region": None})
    kept = live.fetch(customer["id"])["address"]
    assert {name: value for name, value in kept.items() if value is not None} == SMALL


@pytest.mark.parametrize("given, null", [("id", "externalId"), ("externalId", "id")])
def test_a_null_id_leaves_the_other_spelling_standing(live, given, null):
    own = uid()
    assert live.create({"email": mail(), given: own, null: None})["externalId"] == own


@pytest.mark.parametrize("given, null", [("email", "billingEmail"), ("billingEmail", "email")])
def test_a_null_mail_leaves_the_other_spelling_standing(live, given, null):
    address = mail()
    assert live.create({given: address, null: None})["email"] == address


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ids_may_be_given_when_they_are_equal(live, version):
    own = uid()
    assert live.at(version).create(id=own, externalId=own)["externalId"] == own


@pytest.mark.parametrize("version", VERSIONS)
def test_two_different_ids_are_refused(live, db, version):
    with nothing_written(db):
        error = live.at(version).post("/customers",
                                      {"email": mail(), "id": uid(), "externalId": uid()}).error("validation_error")
        assert error["param"] == "externalId"


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_keys_are_ignored(live, version):
    old = {
        "domain": "a.b", "website": 5, "language": None, "industry": [], "legalName": {}, "displayName": 7, "email ": "x", "Email": 1,
        "": 0, "customerId": "cus_x", "object": "nonsense", "livemode": "no", "createdAt": 1, "organizationId": 3,
        "__proto__": {"a": 1}
    }
    customer = live.at(version).create(**old)
    assert customer["externalId"] is None and customer["metadata"] == {}


def test_unknown_keys_inside_an_address_are_ignored(live):
    customer = live.create(address={**SMALL, "planet": "Earth", "city ": 1, "zip": []})
    kept = live.fetch(customer["id"])["address"]
    assert {name: value for name, value in kept.items() if value is not None} == SMALL


@pytest.mark.parametrize("version", VERSIONS)
def test_the_address_is_kept_and_shown_by_get_from_2026_07_24_on(live, version):
    client = live.at(version)
    customer = client.create(address=ADDRESS)
    assert live.at(CURRENT).fetch(customer["id"])["address"] == ADDRESS
    shown = client.get("/customers/" + customer["id"])
    assert ("address" in shown.customer(200)) == at_least(version, "2026-07-24")
    if not at_least(version, "2026-07-24"):
        assert b"1 Road" not in shown.body


ZONES = [(z, v) for z in TIMEZONES for v in (LEGACY, CURRENT)]


@pytest.mark.parametrize("zone, version", ZONES)
def test_all_21_timezones_are_accepted(live, zone, version):
    customer = live.at(version).create(timezone=zone)
    assert customer["timezone"] == zone


def test_there_are_21_timezones():
    assert len(set(TIMEZONES)) == 21


@pytest.mark.parametrize("value", [
    "123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000",
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "018f3a5c-7b1e-7cc0-8000-0123456789ab",
])
def test_an_address_id_is_kept(live, db, value):
    customer = live.create(addressId=value, externalId=uid())
    assert scalar(db, "SELECT address_id::text FROM customer WHERE external_id = %s",
                  customer["externalId"]) == value.lower()


# Cannot be seen: Unicode's controls, format characters and separators, and every kind of blank but the space.
HIDDEN = {"a tab": "\t", "a line feed": "\n", "escape": "\x1b", "delete": "\x7f", "next line": "\x85", "a soft hyphen": "\u00ad",
          "an Arabic letter mark": "\u061c", "a zero-width space": "\u200b", "a zero-width joiner": "\u200d",
          "a left-to-right mark": "\u200e", "an override": "\u202e", "a line separator": "\u2028", "a word joiner": "\u2060",
          "an isolate": "\u2066", "a BOM": "\ufeff", "an annotation": "\ufff9", "a tag": "\U000e0041"}
BLANK = {"a no-break space": "\u00a0", "an ogham space": "\u1680", "an em space": "\u2003", "a narrow no-break space": "\u202f",
         "an ideographic space": "\u3000", "a Hangul filler": "\u3164"}
UNSEEN = [(what, letter, f"must not contain the {kind} U+{ord(letter):04X}")
          for kind, rows in (("invisible character", HIDDEN), ("blank", BLANK)) for what, letter in rows.items()]
# Where they come along when a text is copied.
PLACES = [("in front", "{}ann@example.com"), ("in the name", "an{}n@example.com"), ("in the domain", "ann@exam{}ple.com"),
          ("at the end", "ann@example.com{}")]


def seen(text):
    return not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in text)


@pytest.mark.parametrize("what, letter, message", UNSEEN, ids=[row[0] for row in UNSEEN])
@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_a_mail_address_or_an_own_id_with_what_cannot_be_seen_is_refused_by_name(live, db, version, what, letter, message):
    client, email = live.at(version), email_key(version)
    customer = client.create()
    with nothing_written(db):
        for _, place in PLACES:
            for field, body in ((email, {email: place.format(letter)}), ("id", {email: mail(), "id": place.format(letter)}),
                                ("externalId", {email: mail(), "externalId": place.format(letter)})):
                error = client.post("/customers", body).invalid(field)
                assert error["details"] == [{"field": field, "message": message}]
                client.put("/customers/" + customer["id"], body).invalid(field)
                (failed,) = client.batch([{**body, email: body[email]}])["failed"]
                assert (failed["param"], failed["error"]) == (field, f"{field}: {message}")


TEXTS = [("a space", " "), ("spaces around", "  a  "), ("a quote", '"'), ("a backslash", "\\"), ("a slash", "/"),
         ("a line feed", "a\nb"), ("control characters", "\x01\x1f\x7f"), ("zero width", "\u200b"),
         ("two forms of one letter", "\u00e9e\u0301"), ("right to left", "\u202eabc\u05d0"),
         ("emoji with joiners", "\U0001f468\u200d\U0001f469\u200d\U0001f467"), ("flag", "\U0001f1e8\U0001f1ed"),
         ("noncharacters", "\ufffe\uffff\U0010ffff"), ("replacement", "\ufffd"), ("a BOM inside", "a\ufeffb"),
         ("sql", "'); DROP TABLE customer; --"), ("a percent sign", "%s%n%00"),
         ("html", "<script>alert(1)</script>&amp;"), ("braces", "{}[],:"), ("dollar", "$1 ${x} $$"),
         ("turkish", "\u0130\u0131"), ("sharp s", "stra\u00dfe"), ("escape-like", "\\u0041\\n"), ("null word", "null"),
         ("number", "0"), ("line separators", "\u2028\u2029\x85"), ]


@pytest.mark.parametrize("what, text", TEXTS, ids=[t[0] for t in TEXTS])
def test_texts_are_opaque(live, what, text):
    own = uid() + (text if seen(text) else "x")
    customer = live.create(fullName=text,
                           taxDocument=text,
                           externalId=own,
                           address={**SMALL, "line1": text, "line2": text})
    assert (customer["fullName"], customer["taxDocument"], customer["externalId"]) == (text, text, own)
    got = live.fetch(customer["id"])
    assert (got["fullName"], got["taxDocument"], got["externalId"]) == (text, text, own)
    assert got["address"]["line1"] == text and got["address"]["line2"] == text
    rows, _ = live.get("/customers?externalId=" + escape(own)).page()
    assert [row["id"] for row in rows] == [customer["id"]]
    assert live.post("/customers", {"email": mail(), "externalId": own}).customer(200)["id"] == customer["id"]


DISTINCT = [("case", "Abc", "abc"), ("a trailing space", "abc", "abc "),
            ("composed and decomposed", "\u00e9", "e\u0301"), ("a blank inside", "abc", "ab c"),
            ("wide letters", "abc", "\uff41bc"), ("kelvin", "K", "\u212a")]


@pytest.mark.parametrize("what, one, two", DISTINCT, ids=[d[0] for d in DISTINCT])
def test_external_ids_are_compared_byte_for_byte(live, what, one, two):
    tail = uid()
    assert live.create(externalId=tail + one)["id"] != live.create(externalId=tail + two)["id"]


LENGTHS = [("fullName", 200), ("taxDocument", 100), ("externalId", 100), ]


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac", "\U0001f600"],
                         ids=["ascii", "two bytes", "three bytes", "four bytes"])
@pytest.mark.parametrize("field, most", LENGTHS)
@pytest.mark.parametrize("escaped", [False, True])
def test_lengths_count_code_points(live, field, most, letter, escaped):
    import json

    def send(text):
        body = json.dumps({"email": mail(), field: text}, ensure_ascii=escaped).encode()
        return live.post("/customers", body)

    text = (uid() + letter * most)[:most]
    assert len(text) == most
    assert send(text).customer(201)[field] == text
    send(text + letter).invalid(field)


def test_combining_marks_count_one_each(live):
    assert live.create(fullName="e\u0301" * 100)["fullName"] == "e\u0301" * 100


def test_the_longest_external_id_serves_in_paths_too(live):
    own = (uid() + "\U0001f600" * 100)[:100]
    customer = live.create(externalId=own)
    assert live.fetch(own)["id"] == customer["id"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_array_is_an_empty_map(live, db, version):
    """As PHP writes one."""
    client, key = live.at(version), uid("k")
    made = client.post("/customers", {email_key(version): mail(), "metadata": [], "externalId": key})
    assert made.customer(201)["metadata"] == {}
    assert scalar(db, "SELECT metadata::text FROM customer WHERE external_id = %s", key) == "{}"
    (row,) = client.batch([{email_key(version): mail(), "metadata": [], "externalId": uid()}])["successful"]
    assert client.fetch(row["id"])["metadata"] == {}


OLD_NAMES = [({"legalName": "Legal Ltd"}, "Legal Ltd"), ({"displayName": "Shown"}, "Shown"),
             ({"legalName": "Legal Ltd", "displayName": "Shown"}, "Legal Ltd"), ({"legalName": "x", "fullName": "Full"}, "Full"),
             ({"legalName": None, "displayName": "Shown"}, "Shown"), ({"legalName": 5, "displayName": "Shown"}, "Shown"),
             ({"displayName": "Shown", "fullName": None}, "Shown"), ({"legalName": ""}, None)]


@pytest.mark.parametrize("names, expected", OLD_NAMES, ids=[str(row[0]) for row in OLD_NAMES])
def test_the_first_clients_have_other_words_for_the_name(live, names, expected):
    assert live.at(LEGACY).create(**names)["fullName"] == expected
    assert live.at("2026-05-01").create(**names)["fullName"] == names.get("fullName")
    customer = live.at(LEGACY).create(fullName="Before")
    changed = live.at(LEGACY).put("/customers/" + customer["id"], names).customer(200)
    assert changed["fullName"] == expected


def test_a_name_in_an_old_word_keeps_the_rules(live):
    live.at(LEGACY).post("/customers", {"billingEmail": mail(), "legalName": "x" * 201}).invalid("legalName")


def test_the_first_clients_have_another_word_for_the_postal_code(live, db):
    old = {key: value for key, value in SMALL.items() if key != "postalCode"} | {"postal_code": "3000"}
    customer = live.at(LEGACY).create(address=old)
    assert live.fetch(customer["id"])["address"] == {**dict.fromkeys(live.fetch(customer["id"])["address"]), **SMALL}
    assert live.at(LEGACY).create(address={**old, "postalCode": "3000"})
    with nothing_written(db):
        client = live.at(LEGACY)
        client.post("/customers", {"billingEmail": mail(), "address": {**old, "postalCode": "1"}}).invalid("address.postal_code")
        client.post("/customers", {"billingEmail": mail(), "address": {**old, "postal_code": 5}}).invalid("address.postalCode")
        live.at("2026-05-01").post("/customers", {"billingEmail": mail(), "address": old}).invalid("address.postalCode")


def test_an_empty_text_is_none(live):
    address = {"line1": "x", "city": "x", "postalCode": "x", "country": "DE"}
    customer = live.create(fullName="", taxDocument="", address=address)
    assert (customer["fullName"], customer["taxDocument"], customer["documentType"]) == (None, None, None)
    assert live.fetch(customer["id"])["taxDocument"] is None


# ---------------------------------------------------------------- document type

KINDS = [("AR", "20-12345678-9", {"CUIT"}), ("MX", "ABC010101AB1", {"RFC"}), ("BR", "12.345.678/0001-95", {"CNPJ"}),
         ("BR", "12345678000195", {"CNPJ"}), ("BR", "123.456.789-09", {"CPF"}), ("BR", "12345678909", {"CPF"}),
         ("BR", "x", {"CPF", "CNPJ"}), ("CL", "12.345.678-5", {"RUT"}), ("CO", "900123456-7", {"NIT"}),
         ("PE", "20123456789", {"RUC"}), ("US", "12-3456789", {"EIN"}), ("GB", "GB123456789", {"TAX_ID"}),
         ("CH", "CHE-1", {"TAX_ID"}), ("CA", "1", {"TAX_ID"}), ("JP", "1", {"TAX_ID"}), ("NO", "1", {"TAX_ID"}),
         ("UY", "1", {"TAX_ID"}), ("PY", "1", {"TAX_ID"})]
KINDS += [(country, "X1", {"VAT"})
          for country in ("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT",
                          "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE")]


@pytest.mark.parametrize("country, document, kinds", KINDS, ids=[f"{k[0]} {k[1]}" for k in KINDS])
def test_the_country_tells_the_kind_of_tax_document(live, country, document, kinds):
    customer = live.create(taxDocument=document, address={**SMALL, "country": country})
    assert customer["taxDocument"] == document
    assert customer["documentType"] in kinds
    assert live.fetch(customer["id"])["documentType"] == customer["documentType"]


def test_without_a_country_it_is_some_tax_document(live):
    assert live.create(taxDocument="1")["documentType"] == "TAX_ID"


def test_without_a_tax_document_there_is_no_kind(live):
    customer = live.create(address={**SMALL, "country": "AR"})
    assert (customer["taxDocument"], customer["documentType"]) == (None, None)


COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL
CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU
GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC
MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT
PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA
UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
""".split()


def test_all_countries_of_iso_3166_are_accepted(live):
    assert len(COUNTRIES) == 249
    for start in range(0, len(COUNTRIES), 100):
        part = COUNTRIES[start:start + 100]
        result = live.batch([{"email": mail(), "address": {**SMALL, "country": code}} for code in part])
        assert [part[item["index"]] for item in result["failed"]] == []


def test_no_other_two_letters_are_a_country(live):
    import itertools
    import string

    others = [a + b for a, b in itertools.product(string.ascii_uppercase, repeat=2) if a + b not in COUNTRIES]
    # Not in the standard proper, but people write them: exceptionally reserved or user-assigned.
    others = [
        code for code in others
        if code not in ("UK", "EU", "XK", "AC", "IC", "TA", "DG", "EA", "CP", "FX", "SU", "UN", "EZ")
    ]
    for start in range(0, len(others), 100):
        part = others[start:start + 100]
        result = live.batch([{"email": mail(), "address": {**SMALL, "country": code}} for code in part])
        assert [part[item["index"]] for item in result["successful"]] == []


# ---------------------------------------------------------------- twice


@pytest.mark.parametrize("version", VERSIONS)
def test_creating_twice_answers_the_stored_customer_unchanged(live, db, version):
    client, own = live.at(version), uid("twice")
    first = client.post("/customers",
                        {email_key(version): mail(), "externalId": own, "fullName": "First", "metadata": {"n": 1}})
    assert first.header("Clientele-Result") == "created"
    stored = first.customer(201)
    with nothing_written(db):
        before = scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s", own)
        again = client.post(
            "/customers", {
                email_key(version): mail(), "id": own, "fullName": "Second", "metadata": {"n": 2},
                "timezone": "Asia/Tokyo", "address": ADDRESS, "taxDocument": "9"
            })
        assert again.header("Clientele-Result") == "existing"
        assert again.customer(200) == stored
        assert scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s", own) == before


def test_creating_twice_shows_what_was_updated_in_between(live):
    own = uid()
    customer = live.create(externalId=own)
    updated = live.patch("/customers/" + own, {"fullName": "Later"}).customer(200)
    assert live.post("/customers", {"email": mail(), "externalId": own}).customer(200) == updated
    assert updated["id"] == customer["id"]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_an_external_id_every_call_makes_a_new_customer(live, version):
    client = live.at(version)
    body = {email_key(version): "same@example.com", "fullName": "Same"}
    made = [client.post("/customers", body) for _ in range(3)]
    assert len({reply.customer(201)["id"] for reply in made}) == 3
    assert {reply.header("Clientele-Result") for reply in made} == {"created"}


def test_one_mail_address_may_have_many_customers(live):
    address = mail()
    assert live.create({"email": address,
                        "externalId": uid()})["id"] != live.create({"email": address, "externalId": uid()})["id"]


def test_a_new_customer_is_one_row_and_one_event(live, db):
    before = row_counts(db)
    own = uid()
    live.create(externalId=own)
    live.post("/customers", {"email": mail(), "externalId": own}).ok(200)
    after = row_counts(db)
    assert after["customer"] - before["customer"] == 1
    assert after["event"] - before["event"] == 1
    assert after["idempotency_key"] == before["idempotency_key"]


def test_times_are_of_now_and_in_milliseconds(live):
    from datetime import datetime, timedelta, timezone

    customer = live.create()
    made = datetime.strptime(customer["createdAt"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert abs(datetime.now(timezone.utc) - made) < timedelta(seconds=20)
    assert customer["updatedAt"] == customer["createdAt"]


def test_ids_are_all_different_and_grow(live):
    ids = [live.create()["id"] for _ in range(50)]
    assert len(set(ids)) == 50
    assert len({len(i) for i in ids}) == 1


@pytest.mark.parametrize("kind", [
    "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/octet-stream", "nonsense", "", None
])
def test_a_body_is_json_whatever_its_content_type(live, kind):
    reply = live.post("/customers", dumps({"email": "typed@example.com"}), headers={"Content-Type": kind})
    assert reply.customer(201)["email"] == "typed@example.com"


def test_the_keys_of_a_body_may_be_escaped(live):
    customer = live.create(b'{"\\u0065mail":"esc@example.com","fu\\u006clName":"\\u0041\\ud83d\\ude00\\/"}')
    assert (customer["email"], customer["fullName"]) == ("esc@example.com", "A\U0001f600/")


def test_white_space_around_everything_is_fine(live):
    customer = live.create(b' \t\r\n{ "email"\n:\t"ws@example.com" , "metadata" : { } }\r\n ')
    assert customer["email"] == "ws@example.com"


def test_a_forgotten_row_makes_the_external_id_free(live, db):
    own = uid()
    first = live.create(externalId=own)
    assert execute(db, "DELETE FROM customer WHERE external_id = %s", own) == 1
    live.missing(first["id"])
    assert live.create(externalId=own)["id"] != first["id"]
