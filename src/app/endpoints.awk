# Turns src/app/endpoints.txt into C: each path once, whatever its methods.
BEGIN {
	print "/* Made from src/app/endpoints.txt by src/app/endpoints.awk. */"
	print "#include \"app/endpoints.h\"\n"
	print "const struct endpoint endpoints[] = {"
}
!/^#/ && !seen[$2]++ {
	printf "\t{ \"%s\", \"%s\" },\n", substr($2, 2), $3
	n++
}
END { print "};\n\nconst size_t endpoints_count = " n ";" }
