package h1

import "errors"

// ErrIncomplete says that the message goes on behind the bytes that were given.
var ErrIncomplete = errors.New("the message is not complete yet")

// Error is why a message was refused. The values are made once and never change, so that bad input costs nothing.
type Error struct {
	Status int    // what to answer: 400, 414, 431, 501 or 505 to a request; 502 if it was the response that was bad
	Reason string // one word for metrics and logs; it does not change between releases
	Text   string // a sentence for people
}

// Error is for the log.
func (e *Error) Error() string { return e.Reason + ": " + e.Text }

// verdict is what the functions in here say of a piece of a message. What goes out of the package is one of the errors.
type verdict uint8

const (
	fine verdict = iota
	incomplete

	lineTooLong
	headTooLong
	tooManyFields
	tooManyEmptyLines
	bareLF
	badLine
	badMethod
	methodTooLong
	badVersion
	otherVersion
	badTarget
	badForm
	badScheme
	hasUserinfo
	badAuthority

	folded
	noColon
	spaceBeforeColon
	badName
	badValue

	hostMissing
	hostRepeated
	badHost

	badLength
	lengthRepeated
	lengthAndCoding
	codingTooOld
	badCoding
	codingUnknown
	codingRepeated
	chunkedNotLast

	badConnection
	badOption
	tooManyOptions
	badMaxForwards
	traceWithBody
	badStatus

	badChunkSize
	chunkTooLarge
	badChunkExtension
	chunkLineTooLong
	tooManyExtensions
	badChunkEnd

	verdicts // how many there are
)

// requestErrors are the errors by verdict. Each sentence holds for a request and for a response.
var requestErrors = [verdicts]Error{
	lineTooLong:       {414, "line_size", "The first line is too long."},
	headTooLong:       {431, "head_size", "The header fields are too long."},
	tooManyFields:     {431, "field_count", "There are too many header fields."},
	tooManyEmptyLines: {400, "empty_lines", "There are too many empty lines before the request."},
	bareLF:            {400, "bare_lf", "A line does not end with CR LF."},
	badLine:           {400, "start_line", "The first line does not have three parts with one space between them."},
	badMethod:         {400, "method", "The method holds a character that is not allowed."},
	methodTooLong:     {501, "method_size", "The method is longer than any that is known."},
	badVersion:        {400, "version", "The first line does not name a version of HTTP."},
	otherVersion:      {505, "version_major", "Only versions 1.0 and 1.1 of HTTP are spoken here."},
	badTarget: {400, "target", "The target holds a character that must be encoded, or an encoding " +
		"that is not valid."},
	badForm:      {400, "target_form", "The target does not have the form that belongs to the method."},
	badScheme:    {400, "scheme", "The target's scheme is neither http nor https."},
	hasUserinfo:  {400, "userinfo", "The target holds a user's name or password."},
	badAuthority: {400, "authority", "The target's host or port is not valid."},

	folded:           {400, "folding", "A header field goes on in a line that begins with white space."},
	noColon:          {400, "no_colon", "A header field has no colon."},
	spaceBeforeColon: {400, "space_before_colon", "There is white space between a header field's name and its colon."},
	badName:          {400, "field_name", "A header field's name is empty or holds a character that is not allowed."},
	badValue:         {400, "field_value", "A header field's value holds a control character."},

	hostMissing:  {400, "host_missing", "The Host field is missing."},
	hostRepeated: {400, "host_repeated", "There is more than one Host field."},
	badHost:      {400, "host", "The Host field does not hold a host with or without a port."},

	badLength:       {400, "content_length", "The Content-Length field does not hold one number."},
	lengthRepeated:  {400, "content_length_repeated", "There is more than one Content-Length field."},
	lengthAndCoding: {400, "length_and_coding", "There is a Content-Length field beside a Transfer-Encoding field."},
	codingTooOld:    {400, "coding_version", "There is a Transfer-Encoding field in a message of HTTP/1.0."},
	badCoding:       {400, "coding_syntax", "The Transfer-Encoding field is malformed."},
	codingUnknown:   {501, "coding_unknown", "The only transfer coding that is known here is chunked."},
	codingRepeated:  {400, "coding_repeated", "The chunked transfer coding is applied more than once."},
	chunkedNotLast:  {400, "chunked_not_last", "The last transfer coding is not chunked."},

	badConnection:  {400, "connection", "The Connection field is malformed."},
	badOption:      {400, "connection_option", "The Connection field names a field that belongs to the message."},
	tooManyOptions: {431, "connection_size", "The Connection field names too many options."},
	badMaxForwards: {400, "max_forwards", "The Max-Forwards field does not hold one number."},
	traceWithBody:  {400, "trace_body", "A TRACE request has a body."},
	badStatus:      {502, "status", "The status is not a number from 100 to 599."},

	badChunkSize:      {400, "chunk_size", "A chunk's size is not a hexadecimal number."},
	chunkTooLarge:     {400, "chunk_overflow", "A chunk's size is too large."},
	badChunkExtension: {400, "chunk_extension", "A chunk's extension is malformed."},
	chunkLineTooLong:  {400, "chunk_line_size", "A chunk's first line is too long."},
	tooManyExtensions: {400, "chunk_extensions_size", "There are too many chunk extensions."},
	badChunkEnd:       {400, "chunk_end", "A chunk does not end with CR LF."},
}

// responseErrors are the same for responses: whatever is wrong with one is a bad gateway to the client.
var responseErrors = asResponses(requestErrors)

func asResponses(errs [verdicts]Error) [verdicts]Error {
	for i := range errs {
		errs[i].Status = 502
	}
	return errs
}

// Direction says whose message it is.
type Direction uint8

// The two directions.
const (
	InRequest Direction = iota
	InResponse
)

// err returns the error for a verdict that is neither fine nor incomplete.
func (d Direction) err(v verdict) *Error {
	if d == InResponse {
		return &responseErrors[v]
	}
	return &requestErrors[v]
}

// Reasons yields every error that a message of that direction can get, so that metrics can be made beforehand.
func (d Direction) Reasons(yield func(*Error) bool) {
	for v := incomplete + 1; v < verdicts; v++ {
		if !yield(d.err(v)) {
			return
		}
	}
}
