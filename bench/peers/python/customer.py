"""The fields of a customer: what comes in and what goes out."""

import re

import orjson

from ids import id_text

COUNTRIES = frozenset(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD "
    "CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF "
    "GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA "
    "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI "
    "SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS YE YT ZA ZM ZW".split())
TIMEZONES = frozenset(
    "UTC America/New_York America/Chicago America/Denver America/Los_Angeles America/Sao_Paulo America/Mexico_City "
    "America/Buenos_Aires America/Santiago America/Bogota America/Lima America/Asuncion Europe/London Europe/Paris "
    "Europe/Berlin Europe/Madrid Asia/Tokyo Asia/Shanghai Asia/Singapore Asia/Dubai Australia/Sydney".split())
DOCUMENTS = {
    "AR": "CUIT", "BR": "CNPJ", "CL": "RUT", "CO": "NIT", "MX": "RFC", "PE": "RUC", "US": "EIN",
    **dict.fromkeys("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split(), "VAT"),
}
ADDRESS = (("line1", True), ("line2", False), ("city", True), ("state", False), ("postalCode", True), ("country", True),
           ("region", False))
ATOM = r'[^\x00-\x20\x7f"(),:;<>@\[\\\].]+'
LABEL = r"[A-Za-z0-9\x80-\U0010ffff](?:[-A-Za-z0-9\x80-\U0010ffff]*[A-Za-z0-9\x80-\U0010ffff])?"
EMAIL = re.compile(rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})+")
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FIELDS = ("external_id", "email", "full_name", "tax_document", "address", "address_id", "timezone", "metadata")

# ---- what goes out


def document_type(c):
    tax_document = c["tax_document"]
    if tax_document is None:
        return None
    country = orjson.loads(c["address"]).get("country") if c["address"] else None
    if country == "BR" and sum(x in "0123456789" for x in tax_document) == 11:
        return "CPF"
    return DOCUMENTS.get(country, "TAX_ID")


def iso(moment):
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def raw(text):
    """JSON that is passed on as it is kept."""
    return None if text is None else orjson.Fragment(text)


def shown(c, livemode):
    return {
        "id": id_text("cus_", c["id"]), "object": "customer", "livemode": livemode, "externalId": c["external_id"],
        "fullName": c["full_name"], "email": c["email"], "taxDocument": c["tax_document"], "documentType": document_type(c),
        "timezone": c["timezone"], "metadata": raw(c["metadata"]), "createdAt": iso(c["created_at"]),
        "updatedAt": iso(c["updated_at"]),
    }


def detailed(c, livemode):
    return {**shown(c, livemode), "address": raw(c["address"]), "subscription": None}


def batched(c, index, existing):
    return {"id": id_text("cus_", c["id"]), "externalId": c["external_id"], "email": c["email"], "index": index,
            "status": "existing" if existing else "created"}


# ---- what comes in


def at_most(n):
    return lambda s: f"must have at most {n} characters" if len(s) > n else None


def check_external_id(s):
    return "must not be empty" if s == "" else at_most(100)(s)


def check_email(s):
    return at_most(200)(s) or (None if EMAIL.fullmatch(s) else "must be an e-mail address")


def check_address_id(s):
    return None if UUID_FORM.fullmatch(s) else "must be a UUID"


def check_timezone(s):
    return None if s in TIMEZONES else "must be one of the supported time zones"


TEXTS = (("id", "external_id", check_external_id), ("externalId", "external_id", check_external_id),
         ("billingEmail", "email", check_email), ("email", "email", check_email), ("fullName", "full_name", at_most(200)),
         ("taxDocument", "tax_document", at_most(100)))


def read_text(given, name, member, check, out, faults):
    value = given.get(name)
    if value is None:
        return
    if not isinstance(value, str):
        faults.append((name, "must be a UUID" if member == "address_id" else "must be a string"))
    elif out[member] is not None and out[member] != value:
        faults.append((name, "is given twice with different values"))
    else:
        out[member] = value
        if message := check(value):
            faults.append((name, message))


def as_object(value):
    """An empty array counts as an empty object."""
    return {} if value == [] else value


def read_address(given, faults):
    value = as_object(given.get("address"))
    if value is None:
        return None
    if not isinstance(value, dict):
        faults.append(("address", "must be an object"))
        return None
    out = {}
    for name, required in ADDRESS:
        part = value.get(name)
        if part is None:
            if required:
                faults.append((f"address.{name}", "is required"))
        elif not isinstance(part, str):
            faults.append((f"address.{name}", "must be a string"))
        elif name == "country" and part not in COUNTRIES:
            faults.append((f"address.{name}", "must be a country code of ISO 3166-1 alpha-2"))
        elif len(part) > 200:
            faults.append((f"address.{name}", "must have at most 200 characters"))
        else:
            out[name] = part
    return orjson.dumps(out).decode()


def measure(value):
    """The depth of a value, and how many values are in it."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 0, 1
    depth, values = 0, 1
    for part in value:
        d, n = measure(part)
        depth = max(depth, d)
        values += n
    return depth + 1, values


def read_metadata(given, faults):
    value = as_object(given.get("metadata"))
    if value is None:
        return None
    if not isinstance(value, dict):
        faults.append(("metadata", "must be an object"))
        return None
    text = orjson.dumps(value)
    depth, values = measure(value)
    if len(text) > 16384:
        faults.append(("metadata", "must have at most 16384 bytes"))
    if depth > 8:
        faults.append(("metadata", "must be at most 8 levels deep"))
    if values > 1001:
        faults.append(("metadata", "must hold at most 1000 values"))
    return text.decode()


def read_customer(given, create):
    """The fields of a create, a batch item or an update, and what is wrong with them."""
    faults = []
    out = dict.fromkeys(FIELDS)
    for name, member, check in TEXTS:
        read_text(given, name, member, check, out, faults)
    out["address"] = read_address(given, faults)
    if create:
        read_text(given, "addressId", "address_id", check_address_id, out, faults)
    read_text(given, "timezone", "timezone", check_timezone, out, faults)
    out["metadata"] = read_metadata(given, faults)
    if create:
        if given.get("email") is None and given.get("billingEmail") is None:
            faults.append(("email", "is required"))
        out["timezone"] = out["timezone"] or "UTC"
        out["metadata"] = out["metadata"] or "{}"
    return out, faults
