#!/usr/bin/env bash
# mandoc finds nothing to warn of in the manual pages.
. "$(dirname "$0")/list.inc"
need mandoc
for page in man/clientele.8 man/clientele.conf.5; do
	[ -f "$page" ] || {
		echo "$page is missing"
		exit 1
	}
done
mandoc -T lint -W warning man/*
