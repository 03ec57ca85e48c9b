package wire

import (
	"encoding/binary"

	"backhand/gossip/node"
)

// keysType is the type of the extension that has the keys which the agent holds.
const keysType = 2

const keyMarkSize = 1 + 4 // bytes of one of them

// checkKeys says what is wrong with the keys of a node, or "".
func checkKeys(keys []node.KeyMark) malformed {
	if len(keys) > node.MaxKeys {
		return "more than 16 keys"
	}
	for i, k := range keys {
		switch {
		case k.ID == 0:
			return "key of number 0"
		case i > 0 && k.ID <= keys[i-1].ID:
			return "keys that are not in the order of their numbers, or a number twice"
		}
	}
	return ""
}

// sizeOfKeys returns how many bytes appendKeys appends.
func sizeOfKeys(keys []node.KeyMark) int {
	if len(keys) == 0 {
		return 0
	}
	return 1 + 2 + len(keys)*keyMarkSize
}

// appendKeys appends the extension; nothing if there are no keys.
func appendKeys(b []byte, keys []node.KeyMark) []byte {
	if len(keys) == 0 {
		return b
	}
	b = append(b, keysType)
	b = binary.BigEndian.AppendUint16(b, uint16(len(keys)*keyMarkSize))
	for _, k := range keys {
		b = append(b, k.ID)
		b = binary.BigEndian.AppendUint32(b, k.Mark)
	}
	return b
}

// keysHeld reads the value of the extension.
func keysHeld(r *reader, n *node.Node) {
	for r.ok() && len(r.b) > 0 && len(n.Keys) <= node.MaxKeys {
		n.Keys = append(n.Keys, node.KeyMark{ID: r.u8(), Mark: r.u32()})
	}
	if wrong := checkKeys(n.Keys); r.ok() && wrong != "" {
		r.fail(wrong)
	}
}
