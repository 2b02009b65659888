# Turns doc/openapi.json into C. JSON has no line break inside a string, so indentation can be
# dropped.
BEGIN {
	print "/* Made from doc/openapi.json by src/app/openapi.awk. */"
	print "#include \"app/openapi.h\"\n"
	print "const struct str openapi_document = STR("
}
{
	sub(/^[ \t]+/, "")
	gsub(/\\/, "&&")
	gsub(/"/, "\\\"")
	print "\t\"" $0 "\""
}
END { print ");" }
