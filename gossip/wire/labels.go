package wire

import "backhand/gossip/node"

// labelsType is the type of the extension that has the labels of a node.
const labelsType = 1

// checkLabels says what is wrong with the labels of a node, or "".
func checkLabels(labels []node.Label) malformed {
	if len(labels) > node.MaxLabels {
		return "more than 16 labels"
	}
	size := 0
	for i, l := range labels {
		size += len(l.Key) + len(l.Value)
		switch {
		case l.Key == "":
			return "label without a key"
		case len(l.Key) > node.MaxLabel || len(l.Value) > node.MaxLabel:
			return "label with a key or value of more than 32 bytes"
		case i > 0 && l.Key <= labels[i-1].Key:
			return "labels that are not in the order of their keys, or a key twice"
		}
	}
	if size > node.MaxLabelsSize {
		return "labels of more than 480 bytes"
	}
	return ""
}

// sizeOfLabels returns how many bytes appendLabels appends.
func sizeOfLabels(labels []node.Label) int {
	if len(labels) == 0 {
		return 0
	}
	size := 1 + 2
	for _, l := range labels {
		size += 1 + len(l.Key) + 1 + len(l.Value)
	}
	return size
}

// appendLabels appends the extension; nothing if there are no labels.
func appendLabels(b []byte, labels []node.Label) []byte {
	size := sizeOfLabels(labels)
	if size == 0 {
		return b
	}
	b = append(b, labelsType, byte((size-3)>>8), byte(size-3))
	for _, l := range labels {
		b = appendText(b, l.Key, node.MaxLabel)
		b = appendText(b, l.Value, node.MaxLabel)
	}
	return b
}

// labels reads the value of the extension.
func (p *Parser) labels(r *reader, n *node.Node) {
	for r.ok() && len(r.b) > 0 && len(n.Labels) <= node.MaxLabels {
		n.Labels = append(n.Labels, node.Label{Key: p.text(r, node.MaxLabel), Value: p.text(r, node.MaxLabel)})
	}
	if wrong := checkLabels(n.Labels); r.ok() && wrong != "" {
		r.fail(wrong)
	}
}
