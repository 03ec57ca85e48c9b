// Package athena is mod_athena's interface over HTTP: programs ask it which member of a farm to use, look at farms, physicals and
// the engine, push statistics and set states. It owns the paths, the grammar, the codes and the replies; who is chosen, and
// what becomes of an update, is its [Engine]'s business.
//
// This is the reference of the interface. What is attested of mod_athena is marked so: the rest of its grammar and codes is in
// no public text, and is our own.
//
// # Paths
//
// All are below the path of the configuration, /athena unless it says otherwise (mod_athena). They may end in a slash or not:
// balance/?x and balance?x are the same (mod_athena's examples have both). Everything below the path ends here, nonsense too
// (mod_athena): it is answered with 404 and what there is.
//
//	balance         which member to use                 GET, POST
//	status/farm     farms                               GET, HEAD
//	status/phys     members of farms                    GET, HEAD
//	status/engine   the engine; ?help: all codes        GET, HEAD
//	status/debug    all of it, a line each              GET, HEAD
//	update/farm     states of farms                     GET, POST
//	update/phys     statistics and states of physicals  GET, POST
//	mirror/farm     another engine tells of farms       POST
//	mirror/phys     another engine tells of physicals   POST
//
// The paths are mod_athena's, and so is that updates are GETs; POST is our own, and so is that mirror takes nothing else. status changes nothing.
//
// # Who may
//
// Each part (balance, status, update, mirror) has its own list of addresses (mod_athena: access by path and network). The TCP
// peer and all addresses in X-Forwarded-For, X-Real-Ip and Forwarded have to be on it, else the reply is 403. What a
// browser sent that may be for a page of another site changes nothing, whoever sent it: any page could do so. Browsers say whose
// page it is over https and to loopback only; elsewhere nothing can be changed from one. A token is better proof than an address.
//
// Tokens (our own) are for networks on which an address proves too little. Each opens some of the parts. A part that any token opens
// needs one of those that do, besides the address:
//
//	Authorization: Bearer TOKEN
//
// and is else answered with 401, or with 403 if the token is good for other parts only. Parts that no token opens need none. Who has
// the token stands before the address in logs of what was changed. Tokens go over the wire as they are: where somebody may listen, put
// a proxy with TLS before the interface.
//
// # Query strings
//
//	query    = [ "E" ] request *( ";" request )   ; at most 16 requests
//	request  = argument *( "," argument )         ; at most 128
//	argument = key "=" value | value              ; a value alone is the name of a farm or physical
//	value    = 1*bare | DQUOTE *( char | "\" char ) DQUOTE
//	bare     = any character but comma, semicolon and double quote
//
// A leading E says that all behind it is URL-escaped (mod_athena); without it nothing is unescaped. Write it always: many clients
// escape quotes and percent signs unasked. Behind it a plus sign is a blank, as most clients write it, and %2B a plus sign; a
// percent sign without two hexadecimal digits behind it stays one, but %25 is safe. So a farm whose name begins with E is asked
// for as balance?EEast, or as balance?farm=East.
//
// That h selects, f is a format, commas separate and quotes hold commas together is attested by mod_athena's one example,
// status/phys/?Eh=app01,f="%h,%c". So is that up to 16 requests fit into one GET; the semicolon between them is our own. With a
// 17th all are refused. All of a GET is understood before any of it is done: one mistake, and nothing is done.
//
// Text is UTF-8 without control characters, at most 8,192 bytes. In quotes \" and \\ stand for a quote and a backslash. Case
// matters everywhere.
//
// # Asking for a member
//
//	/athena/balance?farm_one                    app01
//	/athena/balance?farm_one,farm_two           a line a farm, in the order asked
//	/athena/balance?farm_one,n=3,f=url          three members, with blanks between them, as URLs
//	/athena/balance?farm_one;farm_two,n=2       what is between semicolons has options of its own
//	/athena/balance?farm_one,done=app01         the work on app01 has ended: the reply is empty
//
// One bare name and the reply "chosen_server" to it are mod_athena's, as is that there may be several farms. Arguments:
//
//	h, g, name, farm   a farm; a word alone is one, too, unless it is explain. At most 64 altogether
//	n, members         how many different members are wanted, 1 to 64; fewer come if fewer are eligible. Default: 1
//	f, format          name (the default), url or json
//	client             address on whose behalf, for chains that look at it. Default: who asks
//	explain            lines that begin with # say how the choice came about; it is not counted then
//	done               a member whose work for the request's farm has ended, as often as wanted. Optional
//
// The name of a physical is that of the file; a node's is what it says of itself. Before a script uses a name as an argument of
// another command it has to look at it, and job.sh of contrib/examples/athena shows how: one that begins with - would be an
// option there.
//
// Each member that is given counts as an assignment, unless it is explained. Where nobody is eligible, "error: ..." stands in the
// farm's line, and the complete URL to use instead, if there is one, in the next; the status is 503 then, whatever the other lines
// say. So with 200 each line is an answer. JSON is a list:
//
//	[{"farm":"farm_one","members":[{"name":"app01","url":"http://10.58.4.21:8080"}]}]
//
// with "forward", "why" and "explain" where there are any.
//
// # Looking
//
//	/athena/status/phys?Eh=app*,f="%h %{load1}\n"
//	/athena/status/phys?g=reports               all members of a farm
//	/athena/status/farm?farm_one,farm_two
//	/athena/status/engine?true                  as mod_athena wanted an argument always; here it may be left away
//
// Without names all are shown. * in a name stands for any characters; a name that fits nothing is a mistake (404), but for *
// alone.
// A physical in several farms is one entry for each. Each request shows an entity once. Without a format each entity is a line
// of name=value with all codes, then all statistics; values with blanks or quotes are quoted as in Go, "-" is unknown. f=json, or
// a request with "Accept: application/json" and without a format, is answered by a list of objects.
//
// A format is printf's: % and a letter (mod_athena), or %{name}, is replaced by the value; %8h and %-8h fill it up with blanks to
// 8 characters, on the left and on the right; %% is a percent sign, \n, \t, \\ and \" as in C. A line end is added to each entity
// unless the format has it. Values are one line of visible characters, others are shown as U+FFFD.
//
// # Telling
//
//	/athena/update/phys?h=app01,load1=0.4,db=17
//	/athena/update/phys?Eh=app01,state=off,why="new%20disk"
//	/athena/update/phys?h=app01,state=drain     no new sessions; those that it has stay
//	/athena/update/phys?h=app01                 it is alive: no more is said of it
//	/athena/update/phys?g=reports,h=*,state=on  all physicals of a farm
//	/athena/update/farm?h=farm_one,health=down
//
// A good update is answered with 200 and an empty body. A request may name several entities, and patterns; a pattern stands for
// physicals only, a node has to be named. At most 1,000 entities are updated at once, and all or none are.
//
// States are state (on, off and, of a physical, drain) and health (up, down), with the reason in why, at most 64 bytes; updates
// (in, out) is found out by the engine alone. One that drains is neither on nor off: bySession and the cookie still find it, no
// query and no other request does, and for its farm's forward it counts as off (mod_athena had no such state). Farms do not drain. Any name that is no code is a statistic's: 2 to 32 letters, digits, dots, dashes and underscores, the first a
// letter; at most 64 of a physical. Values are decimal numbers, finite and not negative.
//
// # Bodies
//
// A POST has its arguments in the body, at most 1 MiB and 1,000 requests. In a form (application/x-www-form-urlencoded) each
// request begins with its entities:
//
//	h=app01&load1=0.4&h=app02&load1=0.7
//
// JSON (application/json) is an object for each request, or a list of them; a list as a value gives the key several times, and
// "stats" may hold the statistics, and nothing else:
//
//	[{"h":"app01","load1":0.4}, {"name":["app02","app03"],"state":"off","stats":{"db":17}}]
//
// # Mirroring
//
// One engine tells another one what is said of the farms and physicals that both list, over HTTP alone (mod_athena). The other one
// must have mirroring enabled (mod_athena), and the address of who tells in allow_mirror. It goes one way; two engines may mirror
// to each other. mod_athena came with a script that did it; what went over the wire is in no public text, so all of the rest is
// our own.
//
// The body is JSON, a list of at most 1,000 objects in at most 1 MiB:
//
//	POST mirror/farm
//	[{"name":"reports","members":["app01","app02"],
//	  "on_off":{"state":"off","why":"new disk","by":"10.0.0.7","age":12.5,"counter":1790000000000,"node":"0f...5e"}}]
//
//	POST mirror/phys
//	[{"name":"app01","age":1.5,"stats":[{"name":"load1","value":0.4,"age":1.5}],
//	  "up_down":{"state":"down","why":"no route","by":"10.0.0.8","age":3,"counter":1790000000001,"node":"0f...5e"}}]
//
//	name     of the farm or physical, as the file has it
//	members  of a farm: all physicals that the file of who tells lists in it; without it they are not compared
//	on_off   what was said last of on, off and drain; absent if nobody ever did
//	up_down  what was said last of up and down
//	state    the word; why the reason, at most 64 bytes; by who said it, at most 64 bytes
//	counter  the version of what was said, ms since 1970 or more; node is the id of the node that was told
//	age      seconds since it is so, since statistics came last or somebody said that the physical is alive, or since the
//	         statistic was pushed; no time of day is sent, so that clocks need not agree
//
// Of a state the newest version wins, whichever way it came, so that engines which mirror to each other come to rest. A statistic
// is taken if it is younger than the one that is known. It counts with its age for in and out, which each engine works out for
// itself. What is taken, the other agents of the target's cluster learn as if it had been said there. Statistics go no further than
// that: an agent mirrors those that were pushed to itself, so that each goes once however many agents there are. Neither what
// checks find nor the statistics of nodes are mirrored: each engine has its own.
//
// The reply has a line for each difference, and is empty if there is none; all else was taken. With "Accept: application/json" it
// is {"engine":"...","listed":2,"differences":[...]}: engine is another text after each start of the target, which has forgotten
// all statistics then; listed is how many of those that it was told of its file has.
//
//	difference: physical "app09" is not listed here
//	difference: farm "reports": its member "app02" is not listed here
//
// # Replies
//
// Plain text in UTF-8 (mod_athena: text/plain, data or error), lines ended by LF, unless JSON is asked for. What is refused is one
// line, "error: ...", or {"error":"..."}:
//
//	400  a mistake in the arguments, with its byte in the query string or the body as it was sent, from 1
//	401  a token is needed, and none was sent, or one that is not known
//	403  the address or the token may not, nobody may do this here, or mirroring is not enabled
//	404  no such path, farm or physical; what there is is named, at most 32 of it
//	405  another method than those of the path
//	413  query string, body, reply or number of requests too large
//	415  a body that is neither a form nor JSON; of mirror, one that is not JSON
//	500  a mistake of the agent's, which is in its log
//	503  nobody is eligible
//
// # Codes of physicals
//
// A letter or the name is the key of an argument and, behind %, a place in a format (mod_athena: one set of codes for both, a
// table each for farms and physicals). Only h, f and c are attested, c without its meaning. "selects" are arguments that
// choose entities, "written" ones are taken by update. Every statistic's name is a code, too.
//
//	h  name         selects  its name; * stands for any characters (mod_athena)
//	f  format       formats  how the reply is written, or json (mod_athena)
//	g  farm         selects  the farm that it is in
//	a  url          read     its address
//	k  kind         read     physical, or node if it runs an agent
//	o  state        written  on, off or drain
//	u  health       written  up or down
//	i  updates      read     in or out: statistics come as expected, or do not
//	x  fit          read     whether it may be chosen: yes or no
//	r  why          written  the reason for its state or health, or why it is not fit
//	t  since        read     for how many seconds its state and health have been so
//	C  capacity     read     requests that it runs at full speed at once
//	W  weight       read     by which its capacity is multiplied
//	L  labels       read     its labels, with commas between them
//	n  chosen       read     how often this agent chose it
//	q  under_way    read     requests that this agent has under way there
//	A  age          read     seconds since statistics came last
//	e  expect       read     seconds within which statistics are expected; 0: at any time
//	S  stats        read     all its statistics, with commas between them
//	c  cpu          written  statistic: use of the CPUs (mod_athena has the letter, the meaning is ours)
//	l  load1        written  statistic: load average of the last minute
//	m  mem_used     written  statistic: part of the memory that is used
//	d  db           written  statistic: open database connections
//	j  threads      written  statistic: threads, of a JVM for instance
//
// # Codes of farms
//
//	h  name         selects  its name; * stands for any characters
//	g  farm         selects  the same
//	f  format       formats  how the reply is written, or json (mod_athena)
//	o  state        written  on or off
//	u  health       written  up or down
//	r  why          written  the reason for its state or health
//	t  since        read     for how many seconds its state and health have been so
//	m  members      read     how many members it has
//	x  fit          read     how many of them may be chosen
//	M  names        read     their names, with commas between them
//	s  chain        read     the steps by which queries choose, with commas between them
//	n  chosen       read     how often this agent chose a member of it
//	O  forward_off  read     where requests go while it is off
//	D  forward_down read     where requests go while it is down, or nobody is fit
//
// # Codes of the engine
//
//	h  name         selects  the agent's name
//	f  format       formats  how the reply is written, or json (mod_athena)
//	i  id           read     the node's id
//	v  version      read     the agent's version
//	t  uptime       read     seconds since it was started
//	F  farms        read     how many farms it knows
//	P  physicals    read     how many physicals it knows
//	N  nodes        read     how many nodes it knows
//	q  queries      read     how often a member was asked for
//	U  taken        read     updates that were taken
//	X  mirrored     read     farms and physicals of which another engine told
//	M  mirrors      read     engines to which it is mirrored, and how that goes
//	R  refused      read     requests over HTTP that were refused
package athena
