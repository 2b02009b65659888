#!/usr/bin/env python3
"""
Makes doc/openapi.json of doc/openapi.yaml: what the program carries and serves at /api/v1/openapi.json.

    doc/openapi.py           writes it, after a change of the YAML (needs python3-yaml)
    doc/openapi.py --check   says whether it is up to date

Both are kept in the repository, so that building needs neither Python nor YAML.
"""

import json
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent


def main():
    document = yaml.safe_load((HERE / "openapi.yaml").read_text(encoding="utf-8"))
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    made = HERE / "openapi.json"
    if sys.argv[1:] == ["--check"]:
        if not made.exists() or made.read_text(encoding="utf-8") != text:
            sys.exit("doc/openapi.json is not what doc/openapi.yaml says; run doc/openapi.py")
    elif sys.argv[1:]:
        sys.exit(__doc__.strip())
    else:
        made.write_text(text, encoding="utf-8")


main()
