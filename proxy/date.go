package proxy

import (
	"net/http"
	"sync/atomic"
	"time"

	"backhand/proxy/h1"
)

// date keeps the Date field of the present second.
type date struct{ now atomic.Pointer[dateOf] }

type dateOf struct {
	second int64 // since 1970
	field  h1.Field
}

// add adds a Date to a head that has none: of our own answers, and of those that members send without (RFC 9110, section
// 6.6.1).
func (d *date) add(res *h1.Response, now time.Time) {
	for i := range res.Fields {
		if f := &res.Fields[i]; f.ID == h1.Date && !f.Named {
			return
		}
	}
	of := d.now.Load()
	if s := now.Unix(); of == nil || of.second != s {
		of = &dateOf{second: s, field: h1.Field{
			Name: []byte("Date"), Value: now.UTC().AppendFormat(nil, http.TimeFormat), ID: h1.Date,
		}}
		d.now.Store(of)
	}
	res.Fields = append(res.Fields, of.field)
}
