package proxy

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// An exchange is used again for another client's request, which must not see anything of the one before.
func TestExchangeForgets(t *testing.T) {
	h := &Handler{}
	x := new(exchange)
	if _, err := h1.ParseRequest([]byte("GET /secret?a HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n"), nil, &x.req); err != nil {
		t.Fatal(err)
	}
	x.h, x.site, x.over, x.counted, x.again = h, &site{}, true, true, true
	x.raw, x.query, x.path, x.host, x.to = "/secret", "a", "/secret", "x", []byte("/other")
	x.status, x.sent, x.reason, x.location, x.hop = 200, 7, redirected, "https://y/", &x.hopSeen
	x.client.Proto, x.client.addresses, x.orders = "https", []string{"192.0.2.1"}, &orders{}
	x.chosen.member, x.tried, x.bounces, x.limited, x.insists = &node.Member{}, []*node.Member{nil}, []*node.Member{nil}, true, true
	x.body.kept, x.body.err, x.resOptions = &buffer{}, errors.New("x"), []byte("close")
	x.gone.Store(true)
	x.mayRing, x.alarm.rung, x.out.Err = true, true, errors.New("x")
	x.ho.member, x.ho.origin, x.ho.answered, x.ho.cookie = &node.Member{}, &Origin{}, time.Unix(1, 0), "a=b"
	x.forget()
	if x.ho.attempt != (attempt{}) {
		t.Errorf("it still knows the attempt %+v", &x.ho.attempt)
	}
	if !reflect.ValueOf(&x.perRequest).Elem().IsZero() {
		t.Errorf("it still knows %+v", &x.perRequest)
	}
	fields := x.req.Fields
	x.req.Fields = nil
	if len(fields) > 0 || !reflect.DeepEqual(x.req, h1.Request{}) {
		t.Errorf("it still knows the head %+v with %d fields", &x.req, len(fields))
	}
}
