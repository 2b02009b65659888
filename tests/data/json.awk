# tests/data/json.txt as C, for tests/unit/json_cases.h: ACCEPT(name, type, values, height, text) or
# REFUSE(name, offset, fault, text) a line. Needs LC_ALL=C.

# Inside of quotes, with all but letters and digits as octal escapes.
function literal(s,    out, c, i) {
	out = ""
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "%") {
			out = out octal(16 * hex(substr(s, i + 1, 1)) + hex(substr(s, i + 2, 1)))
			i += 2
		} else if (c ~ /[A-Za-z0-9 ]/)
			out = out c
		else
			out = out octal(index(ascii, c) + 32)
	}
	return out
}

function hex(digit) { return index("0123456789ABCDEF", digit) - 1 }
function octal(n) { return sprintf("\\%o%o%o", int(n / 64), int(n / 8) % 8, n % 8) }

# By halves: appending a piece at a time copies the whole text each time, and takes memory from the system for it.
function repeated(s, n,    half) {
	if (n < 2)
		return n ? s : ""
	half = repeated(s, int(n / 2))
	return half half (n % 2 ? s : "")
}

# %(N:...) written out as quoted pieces.
function pieces(s,    out, n, part) {
	out = ""
	while (match(s, /%\([0-9]+:[^)]*\)/)) {
		part = substr(s, RSTART + 2, RLENGTH - 3)
		n = part + 0
		sub(/^[0-9]+:/, "", part)
		out = out "\"" literal(substr(s, 1, RSTART - 1)) "\" " repeated("\"" literal(part) "\" ", n)
		s = substr(s, RSTART + RLENGTH)
	}
	return out "\"" literal(s) "\""
}

BEGIN {
	FS = "\t"
	for (i = 33; i < 127; i++)
		ascii = ascii sprintf("%c", i)
}
/^#/ || /^$/ { next }
{
	split($1, word, " ")
	sub(/^[^\t]*\t/, "")
	if (word[1] == "accept")
		print "ACCEPT(\"" word[2] "\", " toupper(word[3]) ", " word[4] ", " word[5] ", " pieces($0) ")"
	else
		print "REFUSE(\"" word[2] "\", " word[3] ", " word[4] ", " pieces($0) ")"
}
