package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// DefaultKeyBytes holds about two million keys in memory; more go to a file.
	DefaultKeyBytes = 64 << 20
	// keyParts is how many parts keys are divided into by their hash. One part
	// is looked at at a time, so that memory is bounded by a part's size: about
	// 26 bytes a row plus the order value, over keyParts.
	keyParts = 256
	// hashBytes and entryHead are the sizes of an entry's hash, and of all before the order value.
	hashBytes, entryHead = 16, 16 + 8 + 2
)

// keyTable gathers entries of rows in parts, in memory up to a size and in a
// file without a name beyond it. An entry is a hash, a row's number, the order
// value's length and the order value.
type keyTable struct {
	dir   string
	most  int
	parts [keyParts]keyPart

	mu   sync.Mutex
	file *os.File
	end  int64
}

type keyPart struct {
	mu      sync.Mutex
	buf     []byte
	spilled []fileRange
}

type fileRange struct {
	off int64
	n   int
}

func newKeyTable(dir string, memory int) *keyTable {
	return &keyTable{dir: dir, most: max(memory/keyParts, entryHead)}
}

// add takes an entry; any goroutine may call it.
func (t *keyTable) add(entry []byte) error {
	p := &t.parts[entry[0]]
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buf) > 0 && len(p.buf)+len(entry) > t.most {
		at, err := t.spill(p.buf)
		if err != nil {
			return err
		}
		p.spilled = append(p.spilled, at)
		p.buf = p.buf[:0]
	}
	p.buf = append(p.buf, entry...)
	return nil
}

func (t *keyTable) spill(b []byte) (fileRange, error) {
	f, off, err := t.room(len(b))
	if err != nil {
		return fileRange{}, spillFault(err)
	}
	if _, err := f.WriteAt(b, off); err != nil {
		return fileRange{}, spillFault(err)
	}
	return fileRange{off, len(b)}, nil
}

// room gives n bytes of the file, which loses its name at once: whatever
// becomes of the process, nothing stays behind.
func (t *keyTable) room(n int) (*os.File, int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		f, err := os.CreateTemp(t.dir, "keys-*")
		if err != nil {
			return nil, 0, err
		}
		t.file = f
		if err := os.Remove(f.Name()); err != nil {
			return nil, 0, err
		}
	}
	off := t.end
	t.end += int64(n)
	return t.file, off, nil
}

func spillFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fault.Wrap(err, fault.SpoolFull, "the disk that takes the keys of a push is full").
			WithHint("make room on the disk of the data directory; the run goes on by itself")
	}
	return fault.Wrap(err, fault.SpoolFull, "the keys of a push cannot be written to a file")
}

func (t *keyTable) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// resolve tells of every row that loses against another of the same key.
func (t *keyTable) resolve(ctx context.Context, lost func(id uint64)) error {
	var entries []byte
	var r resolver
	for i := range t.parts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		if entries, err = t.load(entries[:0], &t.parts[i]); err != nil {
			return err
		}
		r.resolve(entries, lost)
	}
	return nil
}

// load brings a part together.
func (t *keyTable) load(to []byte, p *keyPart) ([]byte, error) {
	for _, at := range p.spilled {
		start := len(to)
		to = append(to, make([]byte, at.n)...)
		if _, err := t.file.ReadAt(to[start:], at.off); err != nil {
			return nil, fault.Wrap(err, fault.SpoolFull, "the keys of a push cannot be read back")
		}
	}
	to = append(to, p.buf...)
	p.buf = nil
	return to, nil
}

// resolver finds the winners of a part; its memory serves one part after the other.
type resolver struct {
	entries []byte
	// slots hold the position of a key's best entry so far plus one, 0 for none.
	slots []uint64
}

func (r *resolver) resolve(entries []byte, lost func(id uint64)) {
	r.entries = entries
	n := 1
	for n < 2*(len(entries)/entryHead) {
		n *= 2
	}
	if cap(r.slots) < n {
		r.slots = make([]uint64, n)
	}
	r.slots = r.slots[:n]
	clear(r.slots)
	for at := 0; at < len(entries); {
		next := at + entryHead + int(binary.BigEndian.Uint16(entries[at+hashBytes+8:]))
		r.take(uint64(at), lost)
		at = next
	}
}

func (r *resolver) take(at uint64, lost func(id uint64)) {
	mask := uint64(len(r.slots) - 1)
	hash := r.entries[at : at+hashBytes]
	for slot := binary.BigEndian.Uint64(hash[8:]) & mask; ; slot = (slot + 1) & mask {
		held := r.slots[slot]
		if held == 0 {
			r.slots[slot] = at + 1
			return
		}
		held--
		if !bytes.Equal(r.entries[held:held+hashBytes], hash) {
			continue
		}
		if r.less(held, at) {
			r.slots[slot], at = at+1, held
		}
		lost(binary.BigEndian.Uint64(r.entries[at+hashBytes:]))
		return
	}
}

// less compares by order value, then by place in the source.
func (r *resolver) less(a, b uint64) bool {
	if c := bytes.Compare(r.order(a), r.order(b)); c != 0 {
		return c < 0
	}
	return bytes.Compare(r.entries[a+hashBytes:a+hashBytes+8], r.entries[b+hashBytes:b+hashBytes+8]) < 0
}

func (r *resolver) order(at uint64) []byte {
	n := uint64(binary.BigEndian.Uint16(r.entries[at+hashBytes+8:]))
	return r.entries[at+entryHead : at+entryHead+n]
}
