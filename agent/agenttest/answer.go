package agenttest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Answer is what an origin says at /whoami.php about the request and about itself.
type Answer struct {
	Label        string // of the site that answered
	Software     string // Apache/… or nginx/…
	Method       string
	URI          string // path and query as they came
	Host         string // the Host field
	RemoteAddr   string // the client's address as the server sees it: REMOTE_ADDR
	ForwardedFor string // X-Forwarded-For
	Proto        string // X-Forwarded-Proto
	Via          string
	BodyBytes    int // of the request; nginx only says what Content-Length promised
}

// ReadAnswer reads a response to /whoami.php and closes its body. Any other response is an error that shows it.
func ReadAnswer(resp *http.Response) (Answer, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return Answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return parseAnswer(string(body))
}

func parseAnswer(text string) (Answer, error) {
	var a Answer
	fields := map[string]*string{
		"label": &a.Label, "software": &a.Software, "method": &a.Method, "uri": &a.URI, "host": &a.Host,
		"remote_addr": &a.RemoteAddr, "x_forwarded_for": &a.ForwardedFor, "x_forwarded_proto": &a.Proto, "via": &a.Via,
	}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case ok && key == "body_bytes":
			a.BodyBytes, _ = strconv.Atoi(value) // "" is no body
		case ok && fields[key] != nil:
			*fields[key] = value
		default:
			return Answer{}, fmt.Errorf("%q is no line of an answer of /whoami.php: %q", line, text)
		}
	}
	if a.Label == "" {
		return Answer{}, errors.New("an answer without a label is not from /whoami.php")
	}
	return a, nil
}

// whoamiPHP and whoamiNginx write the same lines.
const whoamiPHP = `<?php
header("Content-Type: text/plain");
foreach ([
	"label" => getenv("SITE_LABEL"),
	"software" => $_SERVER["SERVER_SOFTWARE"],
	"method" => $_SERVER["REQUEST_METHOD"],
	"uri" => $_SERVER["REQUEST_URI"],
	"host" => $_SERVER["HTTP_HOST"] ?? "",
	"remote_addr" => $_SERVER["REMOTE_ADDR"],
	"x_forwarded_for" => $_SERVER["HTTP_X_FORWARDED_FOR"] ?? "",
	"x_forwarded_proto" => $_SERVER["HTTP_X_FORWARDED_PROTO"] ?? "",
	"via" => $_SERVER["HTTP_VIA"] ?? "",
	"body_bytes" => strlen(file_get_contents("php://input")),
] as $key => $value) {
	echo "$key: $value\n";
}
`

const whoamiNginx = `label: %LABEL%
software: nginx/$nginx_version
method: $request_method
uri: $request_uri
host: $http_host
remote_addr: $remote_addr
x_forwarded_for: $http_x_forwarded_for
x_forwarded_proto: $http_x_forwarded_proto
via: $http_via
body_bytes: $content_length
`
