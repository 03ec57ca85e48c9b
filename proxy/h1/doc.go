// Package h1 is the codec for HTTP/1.1 and HTTP/1.0 messages as bytes: RFC 9112, and of RFC 9110 what decides where a
// message ends and where it goes. It touches no socket, keeps no buffer of its own and imports nothing of ours.
//
// # Contract
//
// Bytes are read in place. ParseRequest and ParseResponse take a buffer that begins with a message and fill a Request or
// a Response whose slices point into it; they hold as long as the buffer does, and nothing is copied. Once the slice of
// fields has grown, nothing is allocated either. The head is looked at once: fields are validated and recognised (ID) as
// their lines come, and only those that decide framing, routing and the connection are read further.
//
// ErrIncomplete asks for more bytes: call again with the same message and what was added. Work that was done is not
// done again, so a sender of single bytes costs no more than a fast one. If the buffer moved meanwhile, reading starts
// over, so let buffers grow by doubling, up to Limits.Head and a few bytes for empty lines. A value whose parse came to
// an end, good or bad, starts afresh with the next call; one that is given up half way must be Reset before it sees
// another message.
//
// # Strictness
//
// What RFC 9112 calls malformed or ambiguous is refused and never repaired. The verdict does not depend on how the bytes
// were cut. Every verdict, with the section that asks for it, is a row of the table in cases_test.go, which is the
// documentation and the test. A refusal is an *Error: the status to answer, a word for metrics that does not change, and
// a sentence for people. After a refusal it is not known where the next message begins: close the connection.
//
// Where the RFCs leave a choice, ours is:
//
//   - A line ends with CR LF. A bare LF, which section 2.2 lets a recipient take, is refused: proxies and origins differ
//     in it, and that is what request smuggling lives on.
//   - Up to four empty lines before a request line are skipped, none before a status line.
//   - Minor versions above 1 are read as 1.1 (RFC 9110, section 2.5); other majors are 505.
//   - A target is made of 0x21 to 0x7E without '#'. Browsers send some of these that RFC 3986 wants encoded, such as
//     '|' and '['; octets above 0x7E they encode, and so we refuse those. A '%' in a path must begin a valid encoding.
//   - Host must not be empty, nor percent-encoded, nor longer than 255 bytes, with a port from 1 to 65535 or none. In
//     absolute form the target's authority stands and Host is ignored (section 3.2.2), but must be there and valid.
//   - Content-Length may come once in a request. In a response it may be repeated with the same value; a comma list is
//     refused in both. With Transfer-Encoding it is refused in both, as section 6.3 suggests.
//   - The only transfer coding is chunked. In a request another one before it is 501, another one after it or
//     instead of it is 400, as the body's end is then unknown; in a response each is 502. Empty elements of that list are refused; of other
//     lists they are skipped.
//   - Field values may hold obs-text (0x80 to 0xFF) and tabs, and no other control characters than these.
//   - Connection must not name Host or Content-Length: a message without them would be another one.
//   - A status line may lack the space before an absent reason phrase: too many origins leave it out, and it has one
//     meaning. Status codes outside 100 to 599 are refused.
//
// # What is left to the caller
//
// Time-outs, the size of bodies, which methods and protocols are served, and what becomes of the fields: ID.HopByHop,
// Field.Named and ID.InTrailers say what must not be passed on. The caller writes framing anew (AppendFraming) and never
// copies Content-Length, Transfer-Encoding, Connection or Host.
package h1
