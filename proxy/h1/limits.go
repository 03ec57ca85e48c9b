package h1

// The limits that stand where a Limits says nothing.
const (
	DefaultHead            = 64 << 10
	DefaultFields          = 128
	DefaultLine            = 16 << 10
	DefaultChunkLine       = 4 << 10
	DefaultChunkExtensions = 8 << 10
)

// Limits bound what a sender may make us hold and scan. A field that is zero, and a nil *Limits, mean the defaults.
type Limits struct {
	// Head is the most bytes of a head, from its first line to the empty line, both included; the same for a trailer
	// section. Too low refuses clients with many cookies; each connection may hold as much. Default: 64 KiB. Beyond: 431.
	Head int

	// Fields is the most field lines of a head or a trailer section, and the most options in Connection. Default: 128.
	// Beyond: 431.
	Fields int

	// Line is the most bytes of a request line or status line, its end included; never more than Head. Default: 16 KiB;
	// RFC 9112, section 3, asks for at least 8000. Beyond: 414.
	Line int

	// ChunkLine is the most bytes of a line with a chunk's size and extensions, its end included. Default: 4 KiB.
	ChunkLine int

	// ChunkExtensions is the most bytes of chunk extensions of a whole body, which carry nothing that anybody reads
	// (RFC 9112, section 7.1.1, asks for such a limit). Default: 8 KiB.
	ChunkExtensions int
}

func (l *Limits) head() int {
	if l == nil || l.Head <= 0 {
		return DefaultHead
	}
	return l.Head
}

func (l *Limits) fields() int {
	if l == nil || l.Fields <= 0 {
		return DefaultFields
	}
	return l.Fields
}

// line returns the limit of a start line. It is no higher than that of the head, so that a line that never ends gets
// the same verdict whether it comes at once or byte by byte.
func (l *Limits) line() int {
	if l == nil || l.Line <= 0 {
		return min(DefaultLine, l.head())
	}
	return min(l.Line, l.head())
}

func (l *Limits) chunkLine() int {
	if l == nil || l.ChunkLine <= 0 {
		return DefaultChunkLine
	}
	return l.ChunkLine
}

func (l *Limits) chunkExtensions() int {
	if l == nil || l.ChunkExtensions <= 0 {
		return DefaultChunkExtensions
	}
	return l.ChunkExtensions
}
