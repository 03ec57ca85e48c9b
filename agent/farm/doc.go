// Package farm keeps what is said of farms and physicals: their states, and the statistics that programs push. It is
// mod_athena's shared memory, spread over all agents of a cluster.
//
// # States
//
// There are three, kept apart, as mod_athena has them. On/off is said by people, up/down by people, scripts and checks. A physical
// may be told to drain instead of on or off, which is our own: it keeps the sessions that it has and gets nothing else. In/out
// follows from the clock: a physical of which statistics are expected (expect_update) is in when the file begins to list it,
// goes out when none came for that long, and is in again with the first. An update that names no field counts as statistics:
// it says that somebody is there. What is said of on/off and up/down does not. Nobody can write in/out, and no timer changes
// it: it is worked out when [Store.Fill] asks. Farms have the first two pairs only.
//
// A physical is known by its name. One that several farms list has one set of states and statistics; forwards, the time
// within which statistics are expected, and what our own check found are those of each farm's entry.
//
// # Who is right
//
// On/off and up/down carry a version each: a counter in ms since 1970, greater than that of what was known by whoever was
// told, and the id of that node. The newest wins, wherever it was said, and whichever way, and how often, it came: so all
// agents come to know the same. To say again what is so already makes it newer, and changes nothing else. Of statistics the
// younger replaces the older. They carry their age, so that no two wall clocks are compared.
//
// # Notes
//
// What one agent was told, all others learn by notes ([Store.Notes], [Store.Hear]), which travel as beats do. What is new
// goes out once, at most 50 ms later; what is lost of it is made up for by repeats. Each agent repeats all states that it
// knows, whoever said them, in turn: each within ten seconds or, of many, as fast as twenty datagrams a second allow; of many
// agents each repeats as much more seldom, and all together 200 a second. A note of which each agent gets a copy by itself
// (unicast) goes so seldom that an agent sends no more than 512 datagrams a second.
// Statistics are repeated, too, as slowly, by the agent that they were pushed to, for an hour, unless they are pushed more
// often than that anyway: else a datagram that is lost could put a physical out that is pushed to once a minute. Of a note only
// that is taken which our own file lists. Whoever may send us beats may send us notes.
//
// # Mirroring
//
// Another engine, of another cluster perhaps, is told over HTTP ([Store.Said], [Store.Mirror]; the form is in the manual of package
// status/athena). States go with their versions, so that the newest wins there, too, and what comes back is no news. Statistics
// have no version: they would look a little younger each time they came round, since their way takes time. So only those that
// programs pushed to this very agent are told, and what came by a mirror goes to the agents of our cluster, and no further.
//
// # What is kept
//
// States are kept in states.json of the state directory, with their versions: an old one that is heard after a restart does
// not win. Statistics are not. A file that cannot be understood is set aside, so that a person can look at it. A layout that
// is set anew ([Store.SetLayout]) keeps states, statistics and checks of what remains; what the file does not list any more
// is forgotten, and begins anew should it come back, unless another agent repeats what it knows of it.
package farm
