// Package spool keeps the bytes of uploaded files in a folder. A file is there
// whole or not at all.
package spool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Spool is a folder of files named by id.
type Spool struct{ dir string }

// partsKept is how long a part of an upload stays: longer than any upload
// lasts, because another process may be at it.
const partsKept = 24 * time.Hour

// Open makes the folder when it is not there, and clears away what uploads
// left whose process was killed.
func Open(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.SpoolFull, "the spool's folder cannot be made")
	}
	parts, err := filepath.Glob(filepath.Join(dir, "*-*.part"))
	if err != nil {
		return nil, fault.Wrap(err, fault.SpoolFull, "the spool's folder cannot be read")
	}
	for _, part := range parts {
		if info, err := os.Stat(part); err == nil && time.Since(info.ModTime()) > partsKept {
			_ = os.Remove(part) // the next start tries again
		}
	}
	return &Spool{dir}, nil
}

// path gives the place of a file; an id that is no plain name is refused.
func (s *Spool) path(id string) (string, error) {
	if id == "" || strings.ContainsAny(id, `/\.`) {
		return "", fault.New(fault.FileNotFound, "there is no file %q", id)
	}
	return filepath.Join(s.dir, id), nil
}

// Write stores r under id and gives its size in bytes and the hex SHA-256 of
// them. After an error nothing is left. Faults: SpoolFull, and whatever r's
// reads return.
func (s *Spool) Write(ctx context.Context, id string, r io.Reader) (size int64, sum string, err error) {
	path, err := s.path(id)
	if err != nil {
		return 0, "", err
	}
	f, err := os.CreateTemp(s.dir, "upload-*.part")
	if err != nil {
		return 0, "", diskFault(err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	hash := sha256.New()
	size, err = io.Copy(io.MultiWriter(fileWriter{f}, hash), contextReader{ctx, r})
	if err != nil {
		return 0, "", err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return 0, "", diskFault(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, "", diskFault(err)
	}
	return size, hex.EncodeToString(hash.Sum(nil)), nil
}

// Open opens a file and tells its size; fault FileNotFound.
func (s *Spool) Open(id string) (*os.File, int64, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, 0, err
	}
	return OpenPath(path)
}

// OpenPath opens any local file and tells its size; fault FileNotFound.
func OpenPath(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fault.Wrap(err, fault.FileNotFound, "there is no file %q", filepath.Base(path))
	}
	if err != nil {
		return nil, 0, fault.Wrap(err, fault.SourceRead, "the file %q cannot be opened", filepath.Base(path))
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fault.Wrap(err, fault.SourceRead, "the file %q cannot be read", filepath.Base(path))
	}
	if info.IsDir() {
		f.Close()
		return nil, 0, fault.New(fault.SourceFormat, "%q is a folder, not a file", filepath.Base(path))
	}
	return f, info.Size(), nil
}

// Remove deletes a file; one that is not there is no error.
func (s *Spool) Remove(id string) error {
	path, err := s.path(id)
	if err != nil {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskFault(err)
	}
	return nil
}

// Check reports whether the folder can be written to.
func (s *Spool) Check() error {
	f, err := os.CreateTemp(s.dir, "check-*.part")
	if err != nil {
		return diskFault(err)
	}
	_, err = f.Write([]byte{0})
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return diskFault(err)
	}
	return nil
}

func diskFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.SpoolFull, "the spool's disk is full").
			WithHint("free space on the disk of CONNECTOR_DATA_DIR and send the file again")
	}
	return fault.Wrap(err, fault.SpoolFull, "the spool cannot be written to")
}

// fileWriter tells a fault of the disk from one of the upload.
type fileWriter struct{ f *os.File }

func (w fileWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = diskFault(err)
	}
	return n, err
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
