# Turns the front servers' files of conf/ into C: one text a server, without the comments at the
# files' heads, which speak of files lying side by side.

function c_line(s) {
	gsub(/\\/, "&&", s)
	gsub(/"/, "\\\"", s)
	gsub(/\t/, "\\t", s)
	return "\t\"" s "\\n\"\n"
}

function entry(name, text) {
	printf "\t{ \"%s\", STR(\n%s) },\n", name, text
}

FNR == 1 {
	file = FILENAME
	sub(/.*\//, "", file)
	head = 1
}

head && /^#/ { next }
head && /^$/ { head = 0; next }

# What nginx would include stands in its place.
file == "nginx-site.conf" && /include nginx-clientele.conf;/ {
	text[file] = text[file] text["nginx-clientele.conf"]
	next
}

{
	if (file == "nginx-clientele.conf" && $0 != "")
		$0 = "\t" $0
	text[file] = text[file] c_line($0)
}

END {
	print "/* Made of conf/ by src/cli/front.awk. */"
	print "#include \"cli/front.h\"\n"
	print "const struct front_file front_files[FRONT__COUNT] = {"
	entry("nginx", text["nginx-site.conf"])
	entry("lighttpd", text["lighttpd-site.conf"] c_line("") text["lighttpd-clientele.conf"])
	entry("caddy", text["Caddyfile"])
	entry("apache", text["apache.conf"])
	print "};"
}
