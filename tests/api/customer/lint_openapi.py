"""What only the customers' part of doc/openapi has, compared with src/resource/customer; run by tests/lint/openapi.py."""

import re
from pathlib import Path


def check(lint):
    source = lint.code(Path("src/resource/customer/country.c").read_text())
    customer, schemas, same = lint.resources()["customer"], lint.SCHEMAS, lint.same

    countries = re.findall(r'\{ "((?:[A-Z]{2} )+)", "(\w+)" \}', source)
    same("country", {code for codes, _ in countries for code in codes.split()}, set(schemas["Country"]["enum"]))
    same("kind of tax document", {kind for _, kind in countries} | set(re.findall(r'STR\("([A-Z_]+)"\)', source)),
         set(schemas["Customer"]["properties"]["documentType"]["enum"]) - {None})

    required = {field.name for field in customer.shape("").fields_in if "REQUIRED" in field.flags}
    same("field that makes a broken item bearable:", required, {part["required"][0] for part in schemas["BrokenItem"]["anyOf"]})
    # A kept address has what came in; its texts are as long.
    (field,) = (field for field in customer.fields_in if field.name == "address")
    lint.check_parts("Address", field, schemas["Address"], "/components/schemas/Address")

    # What a batch answers of each customer, and what it calls itself: the table 'shapes' of batch.c.
    shapes = lint.descriptors.Table(customer, "shapes", 3)
    for version in lint.versions():
        _, view, name = next(row for row in shapes if lint.has(version, row[0], "V_ENDLESS"))
        bits = lint.number(view, customer.constants)
        schema = lint.at_version_schema("BatchedCustomer", version)
        members = {row.name for row in customer.shape("").fields_out if row.views & bits and lint.has(version, row.since, row.until)} | {"index", "status"}
        same(f"{version}, member of BatchedCustomer", members, set(schema["properties"]))
        same(f"{version}, member of BatchedCustomer that is always there:", members, set(schema["required"]))
        described = lint.at_version_schema("CustomerBatchResult", version)["properties"]["object"]["const"]
        if described != lint.descriptors.string(name):
            lint.bad.append(f"{version}: the object of a batch is {name}, in the document {described}")
