# Turns sql/ into C: a table of named statements and one of migrations.
#
#   awk -v part=ids    -f embed.awk FILE...   enum sql_id
#   awk -v part=table  -f embed.awk FILE...   the two tables
#
# In sql/query a statement begins with "-- name: NAME" and ends where the next one
# begins; comments are dropped. "\set NAME 'TEXT'" works as in psql: :NAME stands for
# TEXT from there on, in later files too. A migration is taken whole.

function c_text(s) {
	gsub(/\\/, "&&", s)
	gsub(/"/, "\\\"", s)
	gsub(/\n/, "\\n", s)
	return "\"" s "\""
}

# C compilers must take 4,095 bytes of a literal; ours take more, but lines stay readable.
function c_lines(s,    n, i, lines, out) {
	n = split(s, lines, "\n")
	for (i = 1; i <= n; i++)
		if (i < n || lines[i] != "")
			out = out "\n\t    " c_text(lines[i] "\n")
	return out
}

function highest_parameter(s,    high, number) {
	high = 0
	while (match(s, /\$[0-9]+/)) {
		number = substr(s, RSTART + 1, RLENGTH - 1) + 0
		if (number > high)
			high = number
		s = substr(s, RSTART + RLENGTH)
	}
	return high
}

function finish_statement() {
	if (name == "")
		return
	sub(/[ \t\n]*;[ \t\n]*$/, "", text)
	statements++
	names[statements] = name
	texts[statements] = text
	name = text = ""
}

FNR == 1 {
	finish_statement()
	migration = FILENAME ~ /\/migrate\//
	if (migration) {
		migrations++
		file = FILENAME
		sub(/.*\//, "", file)
		sub(/\.sql$/, "", file)
		migration_names[migrations] = file
		if (substr(file, 1, 4) + 0 != migrations) {
			print FILENAME ": migrations are numbered without gaps" > "/dev/stderr"
			exit 1
		}
	}
}

migration {
	migration_texts[migrations] = migration_texts[migrations] $0 "\n"
	next
}

/^\\set / {
	variable = $2
	value = $0
	sub(/^\\set [^ ]+ '/, "", value)
	sub(/'[ \t]*$/, "", value)
	variables[variable] = value
	next
}

/^-- name: / {
	finish_statement()
	name = $3
	next
}

/^[ \t]*--/ || /^[ \t]*$/ { next }

name != "" {
	line = $0
	for (variable in variables)
		gsub(":" variable " ", variables[variable] " ", line)
	for (variable in variables)
		sub(":" variable "$", variables[variable], line)
	text = text line "\n"
}

END {
	finish_statement()
	print "/* Made from sql/ by sql/embed.awk. */"
	if (part == "ids") {
		print "#ifndef SQLCAT_IDS_H\n#define SQLCAT_IDS_H\n\nenum sql_id {"
		for (i = 1; i <= statements; i++)
			print "\tSQL_" toupper(names[i]) ","
		print "\tSQL__COUNT\n};\n\n#endif"
		exit
	}
	print "#include \"db/sqlcat.h\"\n"
	print "const struct sql_stmt sql_catalogue[SQL__COUNT] = {"
	for (i = 1; i <= statements; i++)
		print "\t[SQL_" toupper(names[i]) "] = { \"" names[i] "\", " highest_parameter(texts[i]) "," \
		    c_lines(texts[i]) " },"
	print "};\n\nconst struct sql_migration sql_migrations[] = {"
	for (i = 1; i <= migrations; i++)
		print "\t{ \"" migration_names[i] "\"," c_lines(migration_texts[i]) " },"
	print "};\n\nconst size_t sql_migrations_count = " migrations ";"
}
