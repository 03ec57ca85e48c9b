#!/bin/sh
# job.sh FARM COMMAND...: runs a command on the member of a farm that backhand picks, and tells when it has ended:
#
#   job.sh jobs make-report 4711
#
# The environment says where to ask, and how to run a command on a host:
#
#   BACKHAND_ENGINES  engines, with blanks between them: the first with an answer counts. Default: http://10.58.4.1:4446/athena
#   BACKHAND_RUN      gets the member's name and the command. Default: ssh --
#   BACKHAND_CURL     file with more options for curl, such as the line header = "Authorization: Bearer TOKEN"
#
# A node's name is what it says of itself. So one that could be more than the name of a host, such as an option of ssh, is not
# used: then the next engine is asked.
#
# Exit code: that of the command; 64 for a mistake in the arguments; 75, try again later, if there is nobody for the job.
set -u
engines=${BACKHAND_ENGINES:-http://10.58.4.1:4446/athena}
if [ $# -lt 2 ]; then
	echo "usage: job.sh FARM COMMAND..." >&2
	exit 64
fi
farm=$1
shift

ask() {
	curl -K "${BACKHAND_CURL:-/dev/null}" -sS -m 5 --connect-timeout 1 --fail-with-body "$engine/balance?$1"
}

for engine in $engines; do
	if member=$(ask "E$farm"); then
		case $member in
		-* | *[!A-Za-z0-9._-]* | '')
			echo "job.sh: $engine: the answer is no name of a host: want letters, digits, dots, dashes and underscores" >&2
			continue
			;;
		esac
		trap 'ask "E$farm,done=$member" >&2' EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 143' TERM
		${BACKHAND_RUN:-ssh --} "$member" "$@"
		exit
	fi
	echo "job.sh: $engine: ${member:-no answer}" >&2
done
exit 75
