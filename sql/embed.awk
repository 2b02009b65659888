# Turns sql/ into C: a table of named statements and one of migrations.
#
#   awk -v part=ids    -f embed.awk FILE...   enum sql_id, the columns of each result, counts
#   awk -v part=table  -f embed.awk FILE...   the two tables
#
# In sql/query a statement begins with "-- name: NAME" and ends where the next one begins; comments
# are dropped. Two more lines may follow its name:
#
#   -- out: COLUMN...      the columns of its result, in order: COL_NAME_COLUMN counts from 0, also
#                          over several such lines. The first may be :VARIABLE_columns, which stands
#                          for the columns that are listed in this variable: COL_VARIABLE_COLUMN
#   -- marks: MARK...      what C has to know about it: one of 'marks' below
#   -- many: NAME          the statement that does it for several at once, a row for each with the
#                          same columns. Its parameters are the same, but those that differ are
#                          arrays; last ones that it does not have must be NULL
#
# "\set NAME 'TEXT'" works as in psql, but :NAME stands for TEXT in all files. So does
# "\set NAME :NAME 'TEXT'", which adds to a long one.
#
# A migration is taken whole but for its first line, which says whether the service may answer
# requests meanwhile:
#
#   -- class: online       no lock that requests wait for, or only for a moment
#   -- class: offline      requests may fail until it is done

function c_text(s) {
	gsub(/\\/, "&&", s)
	gsub(/"/, "\\\"", s)
	gsub(/\n/, "\\n", s)
	return "\"" s "\""
}

# A literal for each line, which keeps the C readable. The whole may have more than the 4,095 bytes
# that every C compiler must take; ours take more.
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

function stop(message) {
	print FILENAME ":" FNR ": " message > "/dev/stderr"
	failed = 1
	exit 1
}

# "c.id, c.email" -> "id email"
function names_of(list,    n, i, words, out) {
	n = split(list, words, /, */)
	for (i = 1; i <= n; i++) {
		sub(/.*\./, "", words[i])
		out = out (i > 1 ? " " : "") words[i]
	}
	return out
}

# Adds the columns of a result to the enum, those of a variable only once.
function take_columns(text,    n, i, words, shared, at, list) {
	n = split(text, words, " ")
	list = outs[statements + 1]
	at = split(list, unused, " ") # a second line goes on where the first one ended
	for (i = 1; i <= n; i++) {
		if (words[i] !~ /^:/) {
			enums = enums "\tCOL_" toupper(name) "_" toupper(words[i]) " = " at++ ",\n"
			list = list " " words[i]
			continue
		}
		shared = substr(words[i], 2)
		if (at > 0 || !(shared in variables) || shared !~ /_columns$/)
			stop("only the first column of " name " may be a variable, " \
			    "and only one that is set before and named *_columns")
		list = list " " names_of(variables[shared])
		if (!(shared in named))
			name_columns(shared)
		named[shared] = 1
		at = split(names_of(variables[shared]), unused, " ")
	}
	sub(/^ /, "", list)
	outs[statements + 1] = list
}

function name_columns(shared,    n, i, words, prefix) {
	prefix = shared
	sub(/_columns$/, "", prefix)
	n = split(names_of(variables[shared]), words, " ")
	for (i = 1; i <= n; i++)
		enums = enums "\tCOL_" toupper(prefix) "_" toupper(words[i]) " = " i - 1 ",\n"
	enums = enums "\tCOL_" toupper(prefix) "__COUNT = " n ",\n"
}

function take_marks(text,    n, i, words, bits) {
	n = split(text, words, " ")
	for (i = 1; i <= n; i++) {
		if (!(words[i] in marks))
			stop("there is no mark " words[i])
		bits = bits (i > 1 ? " | " : "") "SQL_MARK_" toupper(words[i])
	}
	flags[statements + 1] = bits
}

# The types of parameters that are arrays, of a statement that does something for several at once.
function arrays_of(s, count,    n, out, type) {
	out = "(const enum bind_type[]) {"
	for (n = 1; n <= count; n++) {
		type = "0"
		if (match(s, "[$]" n "::[a-z]+(\\[\\])?") \
		    && substr(s, RSTART + RLENGTH - 2, 2) == "[]") {
			type = substr(s, RSTART, RLENGTH - 2)
			sub(/.*:/, "", type)
			if (!(type in types))
				stop("there is no type " type)
			type = types[type]
		}
		out = out (n > 1 ? ", " : " ") type
	}
	return out " }"
}

# :NAME becomes its text; "::" is a cast.
function expand(s,    out, word) {
	while (match(s, /:+[a-z_]+/)) {
		word = substr(s, RSTART, RLENGTH)
		out = out substr(s, 1, RSTART - 1)
		s = substr(s, RSTART + RLENGTH)
		if (word !~ /^::/ && !(substr(word, 2) in variables))
			stop("there is no variable " word)
		out = out (word ~ /^::/ ? word : variables[substr(word, 2)])
	}
	return out s
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

BEGIN {
	# record: reads or writes the record of an idempotency key. twin: waits for no lock but that
	# of another request with the same key. overtaken: fails when another process has gone
	# further.
	marks_count = split("record twin overtaken", mark_names, " ")
	for (i = 1; i <= marks_count; i++)
		marks[mark_names[i]] = 2 ^ (i - 1)
	split("boolean BOOL bytea BYTES bigint I64 text TEXT json JSON timestamptz TIME uuid UUID",
	    type_names, " ")
	for (i = 1; i in type_names; i += 2)
		types[type_names[i]] = "BIND_" type_names[i + 1]
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
		if (substr(file, 1, 4) + 0 != migrations)
			stop("migrations must be numbered without gaps")
		if ($0 !~ /^-- class: (online|offline)$/)
			stop("a migration begins with \"-- class: online\" " \
			    "or \"-- class: offline\"")
		migration_online[migrations] = $3 == "online" ? "true" : "false"
		next
	}
}

migration {
	migration_texts[migrations] = migration_texts[migrations] $0 "\n"
	next
}

/^\\set / {
	finish_statement()
	variable = $2
	value = $0
	added = index(value, "\\set " variable " :" variable " ") == 1
	sub(/^[^']*'/, "", value)
	sub(/'[ \t]*$/, "", value)
	gsub(/\047\047/, "\047", value)
	variables[variable] = added ? variables[variable] value : value
	next
}

/^-- name: / {
	finish_statement()
	name = $3
	if (name in seen)
		stop("there is a statement " name " already")
	seen[name] = 1
	next
}

/^-- out: / { take_columns(substr($0, 9)); next }
/^-- marks: / { take_marks(substr($0, 11)); next }
/^-- many: / { manys[statements + 1] = $3; does_many[$3] = name; next }
/^[ \t]*--/ || /^[ \t]*$/ { next }

name != "" {
	text = text $0 "\n"
}

END {
	if (failed)
		exit 1
	finish_statement()
	for (i in manys)
		if (!(manys[i] in seen))
			stop("there is no statement " manys[i])
	for (i = 1; i <= statements; i++)
		numbers[names[i]] = i
	for (i in manys)
		outs[numbers[manys[i]]] = outs[i]
	for (i = 1; i <= statements; i++) {
		texts[i] = expand(texts[i])
		if (highest_parameter(texts[i]) > parameters)
			parameters = highest_parameter(texts[i])
	}
	print "/* Made from sql/ by sql/embed.awk. */"
	if (part == "ids") {
		print "#ifndef SQLCAT_IDS_H\n#define SQLCAT_IDS_H\n\nenum sql_id {"
		for (i = 1; i <= statements; i++)
			print "\tSQL_" toupper(names[i]) ","
		print "\tSQL__COUNT\n};\n\nenum {"
		print "\tSQL_PARAMETERS_MAX = " parameters ","
		print "\tSQL_WORDS = (SQL__COUNT + 63) / 64,\n};\n\nenum sql_mark {"
		for (i = 1; i <= marks_count; i++)
			print "\tSQL_MARK_" toupper(mark_names[i]) " = " marks[mark_names[i]] ","
		print "};\n\n/* Columns of results. */\nenum {\n" enums "};\n\n#endif"
		exit
	}
	print "#include \"db/sqlcat.h\"\n"
	print "const struct sql_stmt sql_catalogue[SQL__COUNT] = {"
	for (i = 1; i <= statements; i++)
		print "\t[SQL_" toupper(names[i]) "] = { \"" names[i] "\", " \
		    highest_parameter(texts[i]) ", " (flags[i] == "" ? 0 : flags[i]) ", " \
		    "\"" outs[i] "\", " \
		    (i in manys ? "SQL_" toupper(manys[i]) : "SQL__COUNT") ", " \
		    (names[i] in does_many ? arrays_of(texts[i], highest_parameter(texts[i])) \
		    : "NULL") "," c_lines(texts[i]) " },"
	print "};\n\nconst struct sql_migration sql_migrations[] = {"
	for (i = 1; i <= migrations; i++)
		print "\t{ \"" migration_names[i] "\", " migration_online[i] "," \
		    c_lines(migration_texts[i]) " },"
	print "};\n\nconst size_t sql_migrations_count = " migrations ";"
}
