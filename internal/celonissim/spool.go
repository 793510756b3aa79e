package celonissim

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"sync"
)

var errChunkTooLarge = errors.New("the file is too large")

// spooled is a received file, in memory or on disk.
type spooled struct {
	mu   sync.Mutex
	data []byte
	file *os.File
	path string
	size int64
	sum  string
	done bool
}

// receive reads a file up to a limit into memory, or into dir. The hint is
// the size expected, 0 for unknown.
func receive(r io.Reader, dir string, hint, limit int64) (*spooled, error) {
	r = io.LimitReader(r, limit+1)
	s := &spooled{}
	var err error
	if dir == "" {
		err = s.toMemory(r, hint)
	} else {
		err = s.toFile(r, dir)
	}
	if err == nil && s.size > limit {
		err = errChunkTooLarge
	}
	if err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

// checksum gives the checksum of the content in hexadecimal, "" for none. It is
// computed when first asked for, since few ask; of a file that was dropped
// before that there is none.
func (s *spooled) checksum(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.open(); !s.done && r != nil && name != "none" {
		var sum hash.Hash = sha256.New()
		if name == "md5" {
			sum = md5.New()
		}
		if _, err := io.Copy(sum, io.NewSectionReader(r, 0, s.size)); err == nil {
			s.sum, s.done = hex.EncodeToString(sum.Sum(nil)), true
		}
	}
	return s.sum
}

func (s *spooled) toMemory(r io.Reader, hint int64) error {
	// MinRead more keeps the buffer from growing for the final, empty read.
	buf := bytes.NewBuffer(make([]byte, 0, hint+bytes.MinRead))
	n, err := buf.ReadFrom(r)
	s.data, s.size = buf.Bytes(), n
	return err
}

// copyBuffer is the size of the writes to a spool file.
const copyBuffer = 1 << 20

func (s *spooled) toFile(r io.Reader, dir string) error {
	f, err := os.CreateTemp(dir, "chunk-*")
	if err != nil {
		return err
	}
	s.file, s.path = f, f.Name()
	s.size, err = io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, copyBuffer))
	return err
}

// reader gives the content; it must not be used after drop.
func (s *spooled) reader() (io.ReaderAt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.open(); r != nil {
		return r, nil
	}
	return nil, errors.New("the chunk was removed")
}

func (s *spooled) open() io.ReaderAt {
	switch {
	case s.file != nil:
		return s.file
	case s.data != nil:
		return inMemory{bytes.NewReader(s.data), s.data}
	default:
		return nil
	}
}

// inMemory is a file whose bytes need not be copied.
type inMemory struct {
	io.ReaderAt
	data []byte
}

// readAll gives all bytes of a file; they must not be changed.
func readAll(r io.ReaderAt, size int64) ([]byte, error) {
	if m, ok := r.(inMemory); ok {
		return m.data, nil
	}
	data := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(r, 0, size), data)
	return data, err
}

// drop frees the content. It may be called again.
func (s *spooled) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = nil
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.path)
		s.file = nil
	}
}
