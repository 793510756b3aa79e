package columns

import (
	"fmt"
	"io"
	"sync"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// aheadBytes and aheadBuffers size what a goroutine unpacks before it is asked for.
	aheadBytes   = 256 << 10
	aheadBuffers = 3
)

// ahead reads a stream in a goroutine of its own, so that unpacking goes on
// while what was unpacked is cut into blocks. Errors come after the bytes before
// them.
type ahead struct {
	full  chan piece
	empty chan []byte
	done  chan struct{}
	once  sync.Once
	gone  chan struct{}

	cur piece
	off int
}

// piece is bytes and the error that came behind them.
type piece struct {
	data []byte
	err  error
}

var _ io.Reader = (*ahead)(nil)

func readAhead(src io.Reader) *ahead {
	a := &ahead{full: make(chan piece), empty: make(chan []byte, aheadBuffers), done: make(chan struct{}), gone: make(chan struct{})}
	for range aheadBuffers {
		a.empty <- nil
	}
	go a.run(src)
	return a
}

// run reads until the first error or close.
func (a *ahead) run(src io.Reader) {
	defer close(a.gone)
	for {
		var buf []byte
		select {
		case buf = <-a.empty:
		case <-a.done:
			return
		}
		if buf == nil {
			buf = make([]byte, aheadBytes)
		}
		p := fillPiece(src, buf)
		select {
		case a.full <- p:
		case <-a.done:
			return
		}
		if p.err != nil {
			return
		}
	}
}

// fillPiece reads until buf is full, an error comes or nothing does. A panic on
// damaged data becomes an error.
func fillPiece(src io.Reader, buf []byte) (p piece) {
	n := 0
	defer func() {
		if r := recover(); r != nil {
			p.err = fault.Wrap(fmt.Errorf("%v", r), fault.SourceFormat, "the compressed data is damaged")
		}
		p.data = buf[:n]
	}()
	for n < len(buf) && p.err == nil {
		var k int
		k, p.err = src.Read(buf[n:])
		n += k
		if k == 0 {
			break
		}
	}
	return p
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	for a.off == len(a.cur.data) {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			a.empty <- a.cur.data[:cap(a.cur.data)]
		}
		a.cur, a.off = <-a.full, 0
		if len(a.cur.data) == 0 && a.cur.err == nil {
			return 0, nil
		}
	}
	n := copy(p, a.cur.data[a.off:])
	a.off += n
	return n, nil
}

// close ends the goroutine and waits for it.
func (a *ahead) close() {
	a.once.Do(func() { close(a.done) })
	<-a.gone
}
