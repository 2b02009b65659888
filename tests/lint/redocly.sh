#!/usr/bin/env bash
# doc/openapi.json passes Redocly's linter. The linter is installed once, below var/check.
. "$(dirname "$0")/list.inc"
skip() {
	echo "$*"
	exit 77
}
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
	2>/dev/null || skip "Redocly wants Node.js 20.19 or newer"
command -v npm >/dev/null || skip "npm is not installed"
place=var/check/redocly
if ! cmp -s tests/lint/redocly/package-lock.json "$place/package-lock.json" || [ ! -x "$place/node_modules/.bin/redocly" ]; then
	rm -rf "$place"
	mkdir -p "$place"
	cp tests/lint/redocly/.npmrc tests/lint/redocly/package*.json "$place"
	npm ci --prefix "$place" >"$place/log" 2>&1 || {
		rm -f "$place/package-lock.json"
		skip "npm ci failed: $(grep -m 1 "npm error" "$place/log")"
	}
	# Root leaves nothing that the clone's owner cannot remove.
	[ "$(id -u)" -ne 0 ] || chown -R --reference=. "$place"
fi
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true NO_COLOR=1 \
	"$place/node_modules/.bin/redocly" lint --config tests/lint/redocly/redocly.yaml doc/openapi.json 2>&1
