package httpsource

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/celonis-connector/connector/internal/fault"
)

// inMemory is how much of a page is kept in memory, in bytes; a larger one goes to a file.
const inMemory = 8 << 20

// spooled is a page as it came.
type spooled struct {
	dir  string
	mem  []byte
	file *os.File
	size int64
}

// errSpool marks that a page cannot be kept, which is no fault of the source.
var errSpool = errors.New("the page cannot be kept on disk")

// Write implements io.Writer.
func (s *spooled) Write(p []byte) (int, error) {
	if s.file == nil && len(s.mem)+len(p) > inMemory {
		f, err := os.CreateTemp(s.dir, "page-*.part")
		if err != nil {
			return 0, errors.Join(errSpool, err)
		}
		// The name goes at once where the system allows it, so that nothing stays behind a killed process.
		_ = os.Remove(f.Name())
		s.file = f
		if _, err := f.Write(s.mem); err != nil {
			return 0, errors.Join(errSpool, err)
		}
		s.mem = nil
	}
	s.size += int64(len(p))
	if s.file == nil {
		s.mem = append(s.mem, p...)
		return len(p), nil
	}
	if n, err := s.file.Write(p); err != nil {
		return n, errors.Join(errSpool, err)
	}
	return len(p), nil
}

// open reads the page from its beginning.
func (s *spooled) open() *io.SectionReader {
	if s.file == nil {
		return io.NewSectionReader(bytes.NewReader(s.mem), 0, s.size)
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// head gives the first n bytes.
func (s *spooled) head(n int) []byte {
	b := make([]byte, min(int64(n), s.size))
	n, _ = s.open().ReadAt(b, 0) // what cannot be read here is told when the page is read
	return b[:n]
}

// Close removes the file.
func (s *spooled) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if gone := os.Remove(s.file.Name()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	s.file = nil
	return err
}

func spoolFault(err error) error {
	return fault.Wrap(err, fault.SpoolFull, "what the source sends cannot be kept on disk").
		WithHint("free space on the disk of CONNECTOR_DATA_DIR")
}
