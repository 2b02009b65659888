# Turns doc/openapi.json into C. A line break of JSON is never inside a string, so that indentation can be dropped.
BEGIN {
	print "/* Made of doc/openapi.json by src/app/openapi.awk. */"
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
