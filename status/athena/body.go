package athena

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody is the most bytes of a body.
const maxBody = 1 << 20

// Kinds of bodies.
const (
	kindForm = "application/x-www-form-urlencoded"
	kindJSON = "application/json"
)

// parseBody reads the body of a POST: a form or JSON. begins says of which arguments the first of several begins the next
// embedded request of a form.
func (q *query) parseBody(w http.ResponseWriter, r *http.Request, begins func(*arg) bool) error {
	q.reset("")
	if r.URL.RawQuery != "" {
		return &failure{http.StatusBadRequest, "want the arguments of a POST in its body, and none in the URL"}
	}
	kind, body, err := readBody(w, r, kindForm, kindJSON)
	switch {
	case err != nil:
		return err
	case kind == kindJSON:
		return q.parseJSON(body)
	}
	return q.parseForm(string(body), begins)
}

// readBody reads the body of a POST, which must be of one of those kinds.
func readBody(w http.ResponseWriter, r *http.Request, kinds ...string) (kind string, body []byte, err error) {
	kind, _, err = mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(kinds, kind) {
		return "", nil, &failure{http.StatusUnsupportedMediaType, fmt.Sprintf("the body is %s: send %s",
			quote(r.Header.Get("Content-Type")), strings.Join(kinds, " or "))}
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", nil, &failure{statusTooLarge, fmt.Sprintf("the body is larger than %d bytes: send it in parts", maxBody)}
	}
	if err != nil {
		return "", nil, &failure{http.StatusBadRequest, "the body ended before its end: " + err.Error()}
	}
	return kind, body, nil
}

// more ends an embedded request of a body, if one more fits.
func (q *query) more() error {
	if len(q.ends) == maxRequests {
		return tooMany()
	}
	q.finish()
	return nil
}

func tooMany() error {
	return &failure{statusTooLarge, fmt.Sprintf("at most %d requests or updates are taken at once, and none was: "+
		"send them in parts", maxRequests)}
}

// addChecked appends an argument that came from a body.
func (q *query) addChecked(a arg) error {
	if badText(a.key) >= 0 || badText(a.value) >= 0 {
		return q.wrong(a.at, "want text in UTF-8 without control characters")
	}
	return q.add(a)
}

// parseForm reads key=value&key=value. An argument that names an entity begins the next embedded request, unless there is
// nothing but such ones yet.
func (q *query) parseForm(body string, begins func(*arg) bool) error {
	if body == "" {
		return nil
	}
	named := true // the request holds nothing but entities
	for at := 0; at <= len(body); at++ {
		pair, _, _ := strings.Cut(body[at:], "&")
		a, err := q.formPair(pair, at)
		if err != nil {
			return err
		}
		entity := begins(&a)
		if entity && !named {
			if err := q.more(); err != nil {
				return err
			}
		}
		named = entity
		if err := q.addChecked(a); err != nil {
			return err
		}
		at += len(pair)
	}
	return q.more()
}

// formPair reads one argument of a form.
func (q *query) formPair(pair string, at int) (arg, error) {
	key, value, both := strings.Cut(pair, "=")
	a := arg{at: at, valueAt: at + len(key) + 1}
	var keyErr, err error
	a.key, keyErr = url.QueryUnescape(key)
	a.value, err = url.QueryUnescape(value)
	switch {
	case keyErr != nil || err != nil:
		return arg{}, q.wrong(at, "want two hexadecimal digits behind a %% of a form")
	case a.key == "":
		return arg{}, q.wrong(at, "want key=value, or a name")
	case !both:
		a.key, a.value, a.valueAt = "", a.key, at
	}
	return a, nil
}

// parseJSON reads an object, or a list of them: each is an embedded request. Values are texts, numbers, true or false, or
// lists of these; "stats" may hold an object of statistics.
func (q *query) parseJSON(body []byte) error {
	p := &jsonReader{q: q, body: body, dec: json.NewDecoder(bytes.NewReader(body))}
	p.dec.UseNumber()
	t, at, err := p.next()
	switch {
	case err != nil:
		return err
	case t == json.Delim('{'):
		err = p.object()
	case t == json.Delim('['):
		err = p.objects()
	default:
		return q.wrong(at, "want an object, or a list of objects")
	}
	if err != nil {
		return err
	}
	at = p.at()
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return q.wrong(at, "want nothing behind the end of the JSON")
	}
	return nil
}

// jsonReader takes JSON apart token by token: each may be refused with its place.
type jsonReader struct {
	q    *query
	body []byte
	dec  *json.Decoder

	inStats bool // what is read stands in an object of statistics
}

// at returns the offset of what is read next.
func (p *jsonReader) at() int {
	at := int(p.dec.InputOffset())
	for at < len(p.body) && strings.IndexByte(" \t\r\n,:", p.body[at]) >= 0 {
		at++
	}
	return at
}

func (p *jsonReader) next() (t json.Token, at int, err error) {
	at = p.at()
	if t, err = p.dec.Token(); err != nil {
		return nil, at, p.q.wrong(at, "want JSON: %v", err)
	}
	return t, at, nil
}

// objects reads the rest of a list of objects.
func (p *jsonReader) objects() error {
	for p.dec.More() {
		t, at, err := p.next()
		if err == nil && t != json.Delim('{') {
			err = p.q.wrong(at, "want an object")
		}
		if err == nil {
			err = p.object()
		}
		if err != nil {
			return err
		}
	}
	_, _, err := p.next()
	return err
}

// object reads the rest of an object: an embedded request.
func (p *jsonReader) object() error {
	if err := p.pairs(true); err != nil {
		return err
	}
	return p.q.more()
}

// pairs reads the rest of an object. The outer one may hold lists, and an object of statistics.
func (p *jsonReader) pairs(outer bool) error {
	for p.dec.More() {
		t, at, err := p.next()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if key == "" {
			return p.q.wrong(at, "want a name")
		}
		if err := p.value(key, at, outer); err != nil {
			return err
		}
	}
	_, _, err := p.next()
	return err
}

// value reads the value of a key.
func (p *jsonReader) value(key string, at int, outer bool) error {
	t, valueAt, err := p.next()
	switch {
	case err != nil:
		return err
	case outer && key == allStats && t == json.Delim('{'):
		p.inStats = true
		defer func() { p.inStats = false }()
		return p.pairs(false)
	case outer && t == json.Delim('['):
		return p.list(key, at)
	}
	return p.scalar(t, key, at, valueAt)
}

// list reads the rest of a list: each of its values is an argument of that key.
func (p *jsonReader) list(key string, at int) error {
	for p.dec.More() {
		t, valueAt, err := p.next()
		if err == nil {
			err = p.scalar(t, key, at, valueAt)
		}
		if err != nil {
			return err
		}
	}
	_, _, err := p.next()
	return err
}

func (p *jsonReader) scalar(t json.Token, key string, at, valueAt int) error {
	a := arg{key: key, at: at, valueAt: valueAt, stat: p.inStats}
	switch v := t.(type) {
	case string:
		a.value = v
	case json.Number:
		a.value = v.String()
	case bool:
		a.value = fmt.Sprint(v)
	default:
		return p.q.wrong(valueAt, "want a text, a number, true or false for %s", quote(key))
	}
	return p.q.addChecked(a)
}
