#!/usr/bin/env bash
# configure.ac, debian/changelog and CHANGELOG.md are of one version.
. "$(dirname "$0")/list.inc"
configure=$(sed -n 's/^AC_INIT(\[clientele\],\[\([^]]*\)\].*/\1/p' configure.ac)
package=$(sed -n '1s/^clientele (\([^)]*\)).*/\1/p' debian/changelog)
changes=$(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
if [ -z "$configure" ] || [ "$configure" != "$package" ] || [ "$configure" != "$changes" ]; then
	echo "configure.ac says version '$configure', debian/changelog '$package', CHANGELOG.md '$changes'"
	exit 1
fi
