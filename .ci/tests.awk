# Makes readable what go test -json says: a line for each package, the whole output of tests that failed, which were
# skipped and why, and the slowest. Any awk will do.

# value returns the JSON string of a key, still escaped, or "".
function value(key,   at, rest) {
	at = index($0, "\"" key "\":\"")
	if (!at) return ""
	rest = substr($0, at + length(key) + 4)
	match(rest, /^([^"\\]|\\.)*/)
	return substr(rest, 1, RLENGTH)
}

function plain(s) {
	gsub(/\\\\/, "\001", s)
	gsub(/\\n/, "\n", s)
	gsub(/\\r/, "", s)
	gsub(/\\t/, "\t", s)
	gsub(/\\"/, "\"", s)
	gsub(/\\u003c/, "<", s)
	gsub(/\\u003e/, ">", s)
	gsub(/\\u0026/, "\\&", s)
	gsub(/\\u001b/, "", s)
	gsub(/\001/, "\\", s)
	return s
}

function elapsed(   at) {
	at = index($0, "\"Elapsed\":")
	return at ? substr($0, at + 10) + 0 : 0
}

# show prints what a test has said, and forgets it.
function show(package, test) {
	printf "%s", said[package, test]
	delete said[package, test]
}

function line(action, package, test, output) {
	if (action == "build-output" || package == "") {
		printf "%s", output
	} else if (action == "output" && test == "") {
		if (output ~ /^-test.shuffle/) seed[package] = output
		else if (output != "PASS\n") printf "%s", output
	} else if (action == "output") {
		if (output ~ /^=== /) return
		if (!((package, test) in said)) order[package, ++tests[package]] = test
		said[package, test] = said[package, test] output
	} else if (action == "fail" && test == "") {
		# What is left was said by tests that did not come to an end.
		for (i = 1; i <= tests[package]; i++)
			if ((package, order[package, i]) in said) show(package, order[package, i])
		printf "%s", seed[package]
	} else if (action == "fail") {
		show(package, test)
	} else if (action == "skip" && test != "") {
		skipped[++skips] = package " " said[package, test]
		delete said[package, test]
	} else if (action == "pass" && test != "") {
		if (test !~ /\//) slow[++passes] = sprintf("%8.2f s  %s %s", elapsed(), package, test)
		delete said[package, test]
	}
	fflush()
}

/^\{/ { line(value("Action"), value("Package"), value("Test"), plain(value("Output"))); next }
{ print }

END {
	print "\nthe slowest of " passes + 0 " tests that passed:"
	fflush()
	for (i = 1; i <= passes; i++) print slow[i] | "sort -rn | head -n 10"
	close("sort -rn | head -n 10")
	if (skips) print "\nskipped:"
	for (i = 1; i <= skips; i++) printf "%s", skipped[i]
}
