package spool

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// partsDir is the folder of the files that are being made, a folder each.
const partsDir = "making"

// Part names a piece of a file that is being made.
type Part struct {
	// Seq is the piece's place in the file, Rows how many rows it has.
	Seq, Rows int64
	// Fence is that of the attempt that wrote it: of two pieces with the same place the one of the later attempt counts, so
	// that a worker that was thought dead cannot put its own over it (I2).
	Fence int64
	// Size is in bytes; PutPart takes it from the body.
	Size int64
}

func (p Part) name() string { return fmt.Sprintf("%d.%d.%d.piece", p.Seq, p.Fence, p.Rows) }

// parsePart reads a name; ok is false for what is no whole piece.
func parsePart(name string) (p Part, ok bool) {
	words := strings.Split(name, ".")
	if len(words) != 4 || words[3] != "piece" {
		return Part{}, false
	}
	for i, to := range []*int64{&p.Seq, &p.Fence, &p.Rows} {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil || i > 0 && n < 0 {
			return Part{}, false
		}
		*to = n
	}
	return p, true
}

// folder gives the place of a file's pieces.
func (s *Spool) folder(id string) (string, error) {
	if id == "" || strings.ContainsAny(id, `/\.`) {
		return "", fault.New(fault.Internal, "%q cannot name a file", id)
	}
	return filepath.Join(s.dir, partsDir, id), nil
}

// PutPart keeps a piece of the file id, durably and whole or not at all; one
// with the same place and fence is replaced. Fault SpoolFull.
func (s *Spool) PutPart(id string, p Part, body []byte) error {
	dir, err := s.folder(id)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return makingFault(err)
	}
	f, err := os.CreateTemp(dir, "*.tmp")
	if err != nil {
		return makingFault(err)
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, p.name()))
	}
	if err != nil {
		return makingFault(errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Parts lists the pieces of the file id in their order, each place once. One
// whose fence is above the given one belongs to a later attempt and is left out.
func (s *Spool) Parts(id string, fence int64) ([]Part, error) {
	dir, err := s.folder(id)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, makingFault(err)
	}
	var parts []Part
	for _, e := range entries {
		p, ok := parsePart(e.Name())
		if !ok || p.Fence > fence {
			continue
		}
		if info, err := e.Info(); err == nil { // else it was removed meanwhile
			p.Size = info.Size()
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(b.Fence, a.Fence)) })
	return slices.CompactFunc(parts, func(a, b Part) bool { return a.Seq == b.Seq }), nil
}

// OpenPart opens a piece; fault SpoolFull when it cannot be read.
func (s *Spool) OpenPart(id string, p Part) (*os.File, error) {
	dir, err := s.folder(id)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, p.name()))
	if err != nil {
		return nil, makingFault(err)
	}
	return f, nil
}

// Whole is a file that was put together and is not published yet.
type Whole struct {
	spool *Spool
	id    string
	path  string
	// published says that the file has its name.
	published bool
	// Bytes is its size, SHA256 the hex digest of its bytes.
	Bytes  int64
	SHA256 string
}

// Make writes the file id beside its pieces: write puts it together. Nobody
// sees it before Publish. Faults: SpoolFull, and those of write.
func (s *Spool) Make(ctx context.Context, id string, write func(w io.Writer) error) (_ *Whole, err error) {
	dir, err := s.folder(id)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, makingFault(err)
	}
	f, err := os.CreateTemp(dir, "*.tmp")
	if err != nil {
		return nil, makingFault(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	hash := sha256.New()
	out := &wholeWriter{ctx: ctx, file: f, hash: hash}
	if err := write(out); err != nil {
		if out.err != nil {
			return nil, out.err
		}
		return nil, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, makingFault(err)
	}
	return &Whole{spool: s, id: id, path: f.Name(), Bytes: out.n, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

// Publish gives the file its name in the spool, in the place of one that an
// attempt before gave it; a process that is killed behind it loses nothing. It
// may be called again. Fault SpoolFull.
func (w *Whole) Publish() error {
	path, err := w.spool.path(w.id)
	if err != nil || w.published {
		return err
	}
	if err := os.Rename(w.path, path); err != nil {
		return makingFault(err)
	}
	w.published = true
	dir, err := os.Open(w.spool.dir)
	if err != nil {
		return makingFault(err)
	}
	// Where a folder cannot be synced, its names are as durable as the system makes them.
	_ = dir.Sync()
	return dir.Close()
}

// Discard removes a file that was not published.
func (w *Whole) Discard() {
	if !w.published {
		_ = os.Remove(w.path) // what stays goes with the pieces
	}
}

// DropParts removes what was made of the file id.
func (s *Spool) DropParts(id string) error {
	dir, err := s.folder(id)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return makingFault(err)
	}
	return nil
}

// Made lists the files that are being made and were begun before a time.
func (s *Spool) Made(before time.Time) (ids []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, partsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, makingFault(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

func makingFault(err error) error {
	return fault.Wrap(err, fault.SpoolFull, "the file of the run cannot be kept on disk").
		WithHint("free space on the disk of CONNECTOR_DATA_DIR; the run goes on by itself")
}

// wholeWriter counts and hashes what it writes, and keeps its own fault apart from those of what is read.
type wholeWriter struct {
	ctx  context.Context
	file *os.File
	hash io.Writer
	n    int64
	err  error
}

// Write implements io.Writer.
func (w *wholeWriter) Write(p []byte) (int, error) {
	if w.err = context.Cause(w.ctx); w.err != nil {
		return 0, w.err
	}
	n, err := w.file.Write(p)
	w.n += int64(n)
	if err != nil {
		w.err = makingFault(err)
		return n, w.err
	}
	return w.hash.Write(p)
}
