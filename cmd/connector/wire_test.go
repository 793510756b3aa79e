package main

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire is the way from the connector to the simulator. It counts the bytes
// that go there and stops at a chosen one, wherever in a chunk that is.
type wire struct {
	// host is the wire's end at the connector, host:port.
	host     string
	to       string
	listener net.Listener
	// ended is closed with the test; no stop outlives it.
	ended chan struct{}

	mu    sync.Mutex
	sent  int64
	stops []*stop
	open  map[net.Conn]struct{}
	alive sync.WaitGroup
}

// stop is a byte at which the wire waits.
type stop struct {
	at   int64
	came chan struct{}
	free chan bool
}

// newWire lays a wire to a URL; it is taken away with the test.
func newWire(t *testing.T, url string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{host: l.Addr().String(), to: strings.TrimPrefix(url, "http://"), listener: l, open: map[net.Conn]struct{}{}, ended: make(chan struct{})}
	done := make(chan struct{})
	go func() { defer close(done); w.accept() }()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		close(w.ended)
		w.hangUp()
	})
	return w
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		w.open[near], w.open[far] = struct{}{}, struct{}{}
		w.alive.Add(2)
		w.mu.Unlock()
		go w.carry(near, far, w.pass)
		go w.carry(far, near, func(to io.Writer, b []byte) error { _, err := to.Write(b); return err })
	}
}

// carry moves bytes until either end is gone, and then ends the other.
func (w *wire) carry(from, to net.Conn, pass func(io.Writer, []byte) error) {
	defer w.alive.Done()
	defer func() {
		_, _ = from.Close(), to.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, from)
	}()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && pass(to, buffer[:n]) != nil || err != nil {
			return
		}
	}
}

// pass sends bytes on, up to and after the stop that lies within them.
func (w *wire) pass(to io.Writer, b []byte) error {
	before, s := w.count(b)
	if s == nil {
		_, err := to.Write(b)
		return err
	}
	if _, err := to.Write(b[:before]); err != nil {
		before = 0 // the far end is gone already, which is no reason to forget the stop
	}
	close(s.came)
	select {
	case cut := <-s.free:
		if cut {
			return net.ErrClosed
		}
	case <-w.ended:
		return net.ErrClosed
	}
	_, err := to.Write(b[before:])
	return err
}

func (w *wire) count(b []byte) (before int, hit *stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	began := w.sent
	w.sent += int64(len(b))
	for i, s := range w.stops {
		if s.at < w.sent {
			w.stops = append(w.stops[:i:i], w.stops[i+1:]...)
			return int(max(s.at-began, 0)), s
		}
	}
	return len(b), nil
}

// stopAfter makes the wire wait once so many bytes more have gone.
func (w *wire) stopAfter(bytes int64) *stop {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &stop{at: w.sent + bytes, came: make(chan struct{}), free: make(chan bool, 1)}
	w.stops = append(w.stops, s)
	return s
}

// goOn lets the bytes pass, cut ends their connection instead.
func (s *stop) goOn() { s.free <- false }
func (s *stop) cut()  { s.free <- true }

// total is how many bytes have gone to the simulator.
func (w *wire) total() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

// hangUp ends every connection and forgets the stops; what a dead process had
// on its way does not count any more.
func (w *wire) hangUp() {
	w.mu.Lock()
	for c := range w.open {
		_ = c.Close()
	}
	for _, s := range w.stops {
		s.cut()
	}
	w.stops = nil
	w.mu.Unlock()
	w.alive.Wait()
}
