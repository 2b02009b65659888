# Turns src/app/endpoints.txt into C: each path once, with its methods.
!/^#/ {
	if (!($2 in methods)) {
		paths[++n] = $2
		resources[$2] = $3
	}
	methods[$2] = methods[$2] (methods[$2] == "" ? "" : " | ") "1U << METHOD_" $1
}
END {
	print "/* Made from src/app/endpoints.txt by src/app/endpoints.awk. */"
	print "#include \"app/endpoints.h\"\n"
	print "const struct endpoint endpoints[] = {"
	for (i = 1; i <= n; i++)
		printf "\t{ \"%s\", \"%s\", %s },\n", substr(paths[i], 2), resources[paths[i]], \
		    methods[paths[i]]
	print "};\n\nconst size_t endpoints_count = " n ";"
}
