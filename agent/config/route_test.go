package config

import "testing"

func TestMistakesOfRoutes(t *testing.T) {
	testMistakes(t, []mistakeRow{
		{
			"statuses that are no errors of a member", `[[route]]
path = '/'
farm = 'a'
error_on = [
500,
404,
600,
'502',
500,
599]
[[route]]
path = '/b'
farm = 'a'
error_on = 500`,
			[]string{
				"7: route.error_on has 404: write statuses from 500 to 599",
				"8: route.error_on has 600: write statuses from 500 to 599",
				"9: route.error_on has a string in its list: write statuses from 500 to 599, without quotes",
				"10: route.error_on has 500 twice: leave one away",
				"15: route.error_on is a number: write a list with statuses from 500 to 599 in it, such as [502]",
			},
		},
		{
			"an empty route", "[[route]]",
			[]string{`2: route.path is missing: write path = "/"`, `2: route.farm is missing: write farm = "web"`},
		},
		{
			"paths", `[[route]]
farm = 'a'
path = 'a'
[[route]]
farm = 'a'
path = '/a?b'
[[route]]
farm = 'a'
path = '/a/../b'
[[route]]
farm = 'a'
path = '/a//b'
[[route]]
farm = 'a'
path = '/%41'
[[route]]
farm = 'a'
path = '/%4'
[[route]]
farm = 'a'
path = '/a b'
[[route]]
farm = 'a'
path = '/%2F'`,
			[]string{
				`4: route.path is "a": write a path that begins with /`,
				`7: route.path is "/a?b": leave ? and # and what is behind them away; only paths are compared`,
				`10: route.path is "/a/../b": leave the segment ".." away; it is removed from requests before they are compared`,
				`13: route.path is "/a//b": write one slash instead of two`,
				`16: route.path is "/%41": write A for %41; it is decoded before it is compared`,
				`19: route.path is "/%4": write two hexadecimal figures behind %, and % itself as %25`,
				`22: route.path is "/a b": write %20 for the byte " ", as requests have it`,
			},
		},
		{
			"hosts", `[[route]]
farm = 'a'
path = '/'
host = [
'*.example.com',
'http://a/',
'a:80',
'',
'a b',
'[::1]',
]`,
			[]string{
				`6: route.host is "*.example.com": patterns are not known here: write each name, or leave host away for all`,
				`7: route.host is "http://a/": write the name alone, such as "www.example.com"`,
				`8: route.host is "a:80": leave the port away; a route is for all ports`,
				`9: route.host is "": write a host name, such as "www.example.com"`,
				`10: route.host is "a b": write a host name, such as "www.example.com"`,
			},
		},
		{
			"files", `[[route]]
farm = 'a'
path = '/'
files = ['a/*.php', '[a', '', '*.php']
[[route]]
farm = 'a'
path = '/b'
files = []`,
			[]string{
				`5: route.files is "a/*.php": leave the slash away; a pattern is compared with the last segment alone`,
				`5: route.files is "[a": it is malformed: close each [ with ], and write \ only before another character`,
				`5: route.files is "": write a pattern, such as "*.php"`,
				"9: route.files is an empty list, which no request matches: leave it away for all",
			},
		},
		{
			"the same path twice", `[[route]]
path = '/'
farm = 'a'
[[route]]
farm = 'b'
path = '/'`,
			[]string{`7: route.path "/" is there already, in line 3, for the same host and files: make them differ or leave one route away`},
		},
		{
			"the same path for hosts of which one is shared", `[[route]]
host = ['a', 'b']
path = '/x'
farm = 'a'
[[route]]
host = ['c', 'B.']
farm = 'b'
path = '/x/'`,
			[]string{`9: route.path "/x" is there already, in line 4, for the same host and files: make them differ or leave one route away`},
		},
		{
			"the same path for other hosts and other files", `[[route]]
path = '/'
farm = 'a'
[[route]]
host = ['a']
path = '/'
farm = 'a'
[[route]]
host = ['b']
path = '/'
farm = 'a'
[[route]]
files = ['*.php']
path = '/'
farm = 'a'
[[route]]
files = ['*.asp']
path = '/'
farm = 'a'`,
			nil,
		},
		{
			"chains", `[[route]]
path = '/'
farm = 'a'
chain = [] # []
[[route]]
path = '/b'
farm = 'a'
chain = [ "byAge -1", # [a]
  "byAge 6 7",
  """byRandom""",
  ''
]
[[route]]
path = '/c'
farm = 'a'
chain = 'off'`,
			[]string{
				`5: route.chain has no step: leave it away for the default chain, or write ["off"] to balance nothing`,
				"", "", "",
				`17: route.chain is a string: write a list, ["off"]`,
			},
		},
		{
			"when_empty", `[[route]]
path = '/'
farm = 'a'
when_empty = 503
[[route]]
path = '/b'
farm = 'a'
when_empty = 'all'
[[route]]
path = '/c'
farm = 'a'
when_empty = 'self'`,
			[]string{
				`5: route.when_empty is a number: write a string, such as "503"`,
				`9: route.when_empty is "all": write "self", "any" or "503"`,
				`13: route.when_empty is "self", and this host does not serve "a": write "any" or "503", or add a [[serve]]`,
			},
		},
	})
}
