"""
What the generator of schemathesis must be told, because no schema can say it. Each piece has its reason; nothing here
turns a check off (see schemathesis.toml for the only one).
"""

import os
import re

import schemathesis
from hypothesis import strategies
from schemathesis.generation import GenerationMode

VERSION = os.environ["CLIENTELE_TEST_VERSION"]

# A cursor is opaque: it comes from an answer. This is one that can be read, for the phases that do not follow links.
schemathesis.openapi.format("cursor", strategies.from_regex(r"\Acur_0[0-9A-Za-z]{21}\Z"))


def one_spelling(body):
    """Two spellings of one member must not have different values, which a schema cannot say."""
    for former, name in (("billingEmail", "email"), ("id", "externalId")):
        if isinstance(body, dict) and body.get(former) is not None and body.get(name) is not None:
            del body[former]


def printable(query):
    """An external id may have control characters, a query may not: a link that leads from one to the other is cut."""
    if query and isinstance(query.get("externalId"), str):
        query["externalId"] = re.sub(r"[\0-\x1f\x7f]", "", query["externalId"])


def whole_numbers(body):
    """JSON Schema takes 30.0 for an integer; the API wants it to be written as one."""
    if isinstance(body, dict) and isinstance(body.get("expiresInDays"), float) and body["expiresInDays"].is_integer():
        body["expiresInDays"] = int(body["expiresInDays"])


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers
    if headers and re.fullmatch(r"\d{4}-\d\d-\d\d", str(headers.get("Commet-Version"))):
        # Any date is allowed, and answered in another version than the one that this document describes.
        if VERSION == "legacy":
            del headers["Commet-Version"]
        else:
            headers["Commet-Version"] = VERSION
    if case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE:
        printable(case.query)
        one_spelling(case.body)
        whole_numbers(case.body)
