#!/bin/sh
# push.sh [NAME=VALUE]...: tells backhand that this server is there, its load average, and whatever else is given:
#
#   push.sh waiting="$(ls /var/spool/reports | wc -l)"
#
# It is for cron or a timer, at least three times in what expect_update says. The environment says where and who:
#
#   BACKHAND_ENGINES  engines, with blanks between them: the first that takes it counts. Default: http://10.58.4.1:4446/athena
#   BACKHAND_NAME     name of this server in backhand's file. Default: its host name
#   BACKHAND_CURL     file with more options for curl, such as the line header = "Authorization: Bearer TOKEN"
#
# Exit code 0 if an engine took it, else 1.
set -u
engines=${BACKHAND_ENGINES:-http://10.58.4.1:4446/athena}
name=${BACKHAND_NAME:-$(uname -n)}
read -r load1 _ </proc/loadavg

for stat do # each becomes an argument of curl
	set -- "$@" --data-urlencode "$stat"
	shift
done
for engine in $engines; do
	curl -K "${BACKHAND_CURL:-/dev/null}" -sS -m 5 --connect-timeout 1 --fail-with-body \
		-d "h=$name" -d "load1=$load1" "$@" "$engine/update/phys" && exit
done
exit 1
