package wire

import (
	"encoding/binary"
	"math"

	"backhand/gossip/node"
)

// pushedType is the type of the extension that has the statistics which programs have pushed of the farms of a part.
const pushedType = 3

const (
	placeSize = 1 + 1 // bytes of a farm's place and the number of its statistics
	valueSize = 8
)

// statistics holds those of one farm within bounds. The zero value is for a farm of which none was seen yet.
type statistics struct {
	n, size int // how many there are, and the bytes of their names
	last    string
}

// take reports whether one more may follow those that it has taken, and takes it if so.
func (t *statistics) take(s *node.Stat) bool {
	size := t.size + len(s.Name)
	if t.n == node.MaxFarmStats || size > node.MaxFarmStatsSize || s.Name <= t.last || !node.ValidStatName(s.Name) ||
		!(s.Value >= 0 && s.Value <= math.MaxFloat64) {
		return false
	}
	t.n, t.size, t.last = t.n+1, size, s.Name
	return true
}

// sizeOfPushed returns how many bytes appendPushed appends.
func sizeOfPushed(services []node.Service) int {
	size := 0
	for i := range services {
		var t statistics
		for j := range services[i].Pushed {
			t.take(&services[i].Pushed[j])
		}
		if t.n > 0 {
			size += placeSize + t.n*(1+valueSize) + t.size
		}
	}
	if size > 0 {
		size += 1 + 2
	}
	return size
}

// appendPushed appends the extension of a part that has these farms; nothing if there are no statistics. What is out of bounds
// is left out.
func appendPushed(b []byte, services []node.Service) []byte {
	size := sizeOfPushed(services)
	if size == 0 {
		return b
	}
	b = append(b, pushedType)
	b = binary.BigEndian.AppendUint16(b, uint16(size-3))
	for place := range services {
		var t statistics
		start := len(b)
		b = append(b, byte(place), 0)
		for i := range services[place].Pushed {
			if s := &services[place].Pushed[i]; t.take(s) {
				b = appendText(b, s.Name, node.MaxStatName)
				b = appendFigure(b, s.Value, math.MaxFloat64)
			}
		}
		b[start+1] = byte(t.n)
		if t.n == 0 {
			b = b[:start]
		}
	}
	return b
}

// pushed reads the value of the extension, of a part that has these farms.
func (p *Parser) pushed(r *reader, services []node.Service) {
	least := 0 // place that the next farm has at least
	for r.ok() && len(r.b) > 0 {
		place, count := int(r.u8()), int(r.u8())
		switch {
		case !r.ok():
		case place < least || place >= len(services):
			r.fail("statistics of a farm that is not in this part, or out of order")
		case count == 0:
			r.fail("farm without statistics among those that have some")
		default:
			p.statistics(r, &services[place], count)
		}
		least = place + 1
	}
}

// statistics reads so many of one farm.
func (p *Parser) statistics(r *reader, s *node.Service, count int) {
	var t statistics
	for range count {
		one := node.Stat{Name: p.text(r, node.MaxStatName), Value: r.figure(math.MaxFloat64)}
		if r.ok() && !t.take(&one) {
			r.fail("statistics of a farm that are too many or too long, out of order, or not called so")
		}
		if !r.ok() {
			return
		}
		s.Pushed = append(s.Pushed, one)
	}
}

// another appends a service. It has the memory for statistics that was in its place.
func another(services []node.Service) []node.Service {
	var memory []node.Stat
	if n := len(services); n < cap(services) {
		memory = services[:n+1][n].Pushed[:0]
	}
	return append(services, node.Service{Pushed: memory})
}
