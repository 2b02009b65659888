# The customers of the demo's shop, a line of JSON for each: drawn from words.txt, the input, with a generator and a seed of
# its own, so that every demo has the same. count: how many. now: when the last of them came, in seconds since 1970.
BEGIN { FS = "|"; seed = 20260731 }
/^#/ { next }
$1 == "word" { words[$2] = $3; next }
$1 == "letters" {
	for (i = 2; i <= NF; i++) {
		split($i, pair, "=")
		plain[pair[1]] = pair[2]
	}
	next
}
{
	for (i = 0; i < $2; i++)
		lot[lots++] = NR
	country[NR] = $1; given[NR] = $3; family[NR] = $4; street[NR] = $5; town[NR] = $6; company[NR] = $7
}

# From 0 to n - 1 (Park and Miller: awks differ in their own).
function draw(n) {
	seed = (seed * 16807) % 2147483647
	return int(seed / 2147483647 * n)
}
function pick(list,    parts, n) {
	n = split(list, parts, ",")
	return parts[draw(n) + 1]
}
# "Jörg", "van Dongen" as they can stand in an address.
function address_of(text,    letter) {
	for (letter in plain)
		gsub(letter, plain[letter], text)
	gsub(/[ '-]/, "", text)
	if (text !~ /^[A-Za-z]+$/) {
		print "words.txt does not say how to write " text " in an address" >"/dev/stderr"
		exit 1
	}
	return tolower(text)
}
function filled(form,    text, i, letter) {
	for (i = 1; i <= length(form); i++) {
		letter = substr(form, i, 1)
		if (letter == "9")
			letter = draw(10)
		else if (letter == "A")
			letter = substr("ABCDEFGHJKLMNPRSTUVWXY", draw(22) + 1, 1)
		text = text letter
	}
	return text
}
# Few at first and more of late, over two years; the later the number, the later the time.
function came(i) {
	return strftime("%Y-%m-%dT%H:%M:%S.000Z", now - int((1 - sqrt(i / count)) * 730 * 86400), 1)
}

function customer(i,    at, first, last, name, mail, street_of, place, more, time) {
	at = lot[draw(lots)]
	first = pick(given[at])
	last = pick(family[at])
	name = country[at] == "JP" ? last " " first : first " " last
	mail = address_of(first) "." address_of(last)
	if (draw(10) < 3) {
		more = sprintf("\"contact\":\"%s\",\"trade\":\"%s\",\"seats\":%d,", name, pick(words["trade"]), 2 + draw(60))
		mail = "office." address_of(last)
		name = last " " pick(company[at])
	}
	street_of = pick(street[at])
	sub(/#/, 1 + draw(120), street_of)
	split(pick(town[at]), place, "/")
	time = came(i)
	printf "{\"externalId\":\"C%d\",\"email\":\"%s%d@example.%s\",\"fullName\":\"%s\",\"timezone\":\"%s\",", 10000 + i, mail, 10 + draw(90),
		draw(2) ? "com" : "org", name, place[4] "/" place[5]
	printf "\"address\":{\"line1\":\"%s\",\"city\":\"%s\",%s\"postalCode\":\"%s\",\"country\":\"%s\"},", street_of, place[1],
		place[2] == "" ? "" : "\"state\":\"" place[2] "\",", filled(place[3]), country[at]
	printf "\"metadata\":{%s\"drinks\":\"%s\",\"cameBy\":\"%s\",\"orders\":%d,\"newsletter\":%s},", more, pick(words["drinks"]),
		pick(words["cameBy"]), draw(40), draw(3) ? "true" : "false"
	printf "\"createdAt\":\"%s\",\"updatedAt\":\"%s\"}\n", time, time
}
END { for (n = 1; n <= count; n++) customer(n) }
