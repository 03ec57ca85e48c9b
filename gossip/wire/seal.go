package wire

// What a sealed beat has between header and body, and behind it.
const (
	nonceSize = 24
	tagSize   = 16
)

// seal encrypts the body of a beat in place, and returns the beat with its tag. The header says already which key it is;
// the nonce's room is there. Behind the tag it uses the rest of the buffer, if that is long enough, and nothing else.
func (k *Keyring) seal(b []byte) []byte {
	nonce := b[headerSize:][:nonceSize]
	k.nonce(nonce)
	end := len(b) + tagSize
	associated := k.appendAssociated(b[end:end:cap(b)], b[:headerSize])
	return k.newest.beat.Seal(b[:headerSize+nonceSize], nonce, b[headerSize+nonceSize:], associated)
}

// appendAssociated appends what is authenticated with a body: the header as it stands there, and the name of the cluster.
func (k *Keyring) appendAssociated(b, header []byte) []byte {
	return append(append(b, header...), k.cluster...)
}

// open returns the body of a sealed beat, whose header was checked. It is in memory of the parser, and holds until the next
// beat. The header says which key it is, and no other is tried: a beat costs at most one opening, however many keys there
// are.
func (p *Parser) open(header, rest []byte, keys *Keyring) ([]byte, error) {
	key := keys.find(header[keyAt])
	if key == nil {
		return nil, ErrSeal
	}
	if len(rest) < nonceSize+tagSize {
		return nil, ErrForged
	}
	p.associated = keys.appendAssociated(p.associated[:0], header)
	body, err := key.beat.Open(p.opened[:0], rest[:nonceSize], rest[nonceSize:], p.associated)
	if err != nil {
		return nil, ErrForged
	}
	return body, nil
}
