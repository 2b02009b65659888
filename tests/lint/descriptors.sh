#!/usr/bin/env bash
# The tables of the resources contradict neither each other, nor the statements, nor the migrations (descriptors.py).
. "$(dirname "$0")/list.inc"
PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" tests/lint/descriptors.py
