package wire

import (
	"fmt"
	"testing"

	"backhand/gossip/node"
)

func BenchmarkParse(b *testing.B) {
	for _, bc := range []struct {
		name  string
		farms int
	}{{"1 farm", 1}, {"5 farms", 5}} {
		b.Run(bc.name, func(b *testing.B) {
			datagram := mustAppend(b, sample(farms(bc.farms)...))[0]
			p, beat := NewParser(web), Beat{}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Parse(datagram, nil, &beat); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, bc := range []struct {
		name  string
		farms int
	}{{"1 farm", 1}, {"64 farms", 64}} {
		b.Run(bc.name, func(b *testing.B) {
			n := sample(farms(bc.farms)...)
			var dst [][]byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = Append(dst[:0], n, web, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendSealed(b *testing.B) {
	for _, bc := range []struct {
		name string
		n    *node.Node
	}{{"1 farm", sample("web")}, {"64 farms", fullHouse()}} {
		b.Run(bc.name, func(b *testing.B) {
			k := mustRing(b, "web", Enforce, keyOf(1))
			var dst [][]byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = Append(dst[:0], bc.n, web, k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseSealed(b *testing.B) {
	for _, bc := range []struct {
		name string
		n    *node.Node
	}{{"1 farm", sample("web")}, {"5 farms", sample(farms(5)...)}} {
		b.Run(bc.name, func(b *testing.B) {
			k := mustRing(b, "web", Enforce, keyOf(1))
			datagram := mustSeal(b, bc.n, k)[0]
			p, beat := NewParser(web), Beat{}
			b.SetBytes(int64(len(datagram)))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Parse(datagram, k, &beat); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSeal and BenchmarkOpen leave out what is written and read.
func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{300, MaxDatagram} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			k := mustRing(b, "web", Enforce, keyOf(1))
			beat := make([]byte, size-tagSize, bufferSize)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				k.seal(beat)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{300, MaxDatagram} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			k := mustRing(b, "web", Enforce, keyOf(1))
			beat := sealBody(k, make([]byte, size-headerSize-nonceSize-tagSize))
			p := NewParser(web)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.open(beat[:headerSize], beat[headerSize:], k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse is what a datagram of a stranger costs.
func BenchmarkRefuse(b *testing.B) {
	k := mustRing(b, "web", Enforce, keyOf(1))
	other := keyOf(9)
	other.ID = 1
	for name, datagram := range map[string][]byte{
		"forged":   mustSeal(b, fullHouse(), mustRing(b, "web", Enforce, other))[0],
		"unsealed": mustAppend(b, fullHouse())[0],
	} {
		b.Run(name, func(b *testing.B) {
			p, beat := NewParser(web), Beat{}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Parse(datagram, k, &beat); err == nil {
					b.Fatal("it is taken")
				}
			}
		})
	}
}

func BenchmarkAppendProof(b *testing.B) {
	k := mustRing(b, "web", Enforce, keyOf(1))
	c := request()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = k.AppendProof(buf[:0], c)
	}
}

func BenchmarkCheckProof(b *testing.B) {
	k := mustRing(b, "web", Enforce, keyOf(1))
	c := request()
	line := mustLine(b, k, c)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.CheckProof(line, c); err != nil {
			b.Fatal(err)
		}
	}
}
