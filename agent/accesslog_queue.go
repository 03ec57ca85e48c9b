package agent

import (
	"slices"
	"sync"
)

// lineQueue holds lines until they are written. The lock is held for the copy of a line, never for a write. In the long
// run the same two chunks go round and nothing is allocated; only while the disk is slow there are more.
type lineQueue struct {
	full chan struct{} // gets a value when a chunk is full

	mu     sync.Mutex
	chunks [][]byte // that wait, in order; the last one is being filled
	spare  [][]byte // written and empty
	held   int      // bytes that wait or are being written
	closed bool
}

const (
	lineQueueBytes = 8 << 20  // that are held at most
	lineQueueChunk = 64 << 10 // that are written at once
	lineQueueSpare = 2
)

func newLineQueue() lineQueue { return lineQueue{full: make(chan struct{}, 1)} }

// add queues a copy of the line. It returns false if there is no room for it, or the queue is closed.
func (q *lineQueue) add(line []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.held+len(line) > lineQueueBytes {
		return false
	}
	last := len(q.chunks) - 1
	if last < 0 || len(q.chunks[last])+len(line) > cap(q.chunks[last]) {
		q.chunks = append(q.chunks, q.chunk(len(line)))
		last++
		if last > 0 {
			q.wake()
		}
	}
	q.chunks[last] = append(q.chunks[last], line...)
	q.held += len(line)
	return true
}

// chunk returns an empty chunk that has room for a line of that length.
func (q *lineQueue) chunk(line int) []byte {
	if last := len(q.spare) - 1; last >= 0 && line <= lineQueueChunk {
		c := q.spare[last]
		q.spare = q.spare[:last]
		return c
	}
	return make([]byte, 0, max(line, lineQueueChunk))
}

func (q *lineQueue) wake() {
	select {
	case q.full <- struct{}{}:
	default: // the writer has not come to it yet
	}
}

// filled returns how many chunks wait that are full.
func (q *lineQueue) filled() int { return max(0, q.waiting()-1) }

// waiting returns how many chunks wait.
func (q *lineQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.chunks)
}

// take returns the oldest of the chunks that wait; there must be one. It is handed back by done.
func (q *lineQueue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.chunks[0]
	q.chunks = slices.Delete(q.chunks, 0, 1)
	return c
}

// done takes back a chunk that nobody needs any more.
func (q *lineQueue) done(c []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= len(c)
	if cap(c) == lineQueueChunk && len(q.spare) < lineQueueSpare {
		q.spare = append(q.spare, c[:0])
	}
}

// close makes add take nothing more.
func (q *lineQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
