// Package candidacytest helps to test what decides about members: small clusters written as text, requests that decide
// about them, and [Check], which holds a function to the promises of [candidacy.Func].
//
// A cluster is written with a member, or a farm of which there is something to say, on each line: first its name, then what
// differs from an idle node that is up:
//
//	self www1 load=0.2
//	www2 age=7s load=3 idle=93%
//	www3 state=draining
//	www4 down=refused
//	physical app1 url=http://10.0.0.21:8080 outstanding=2 stat.queue=3
//	physical app2 off=disks
//	farm reports down forward_down=http://sorry.example.com/
//
// Nothing here reads a clock: the time is [Now], and ages count from there.
package candidacytest
