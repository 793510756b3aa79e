package main

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// smallDisk puts a disk of so many bytes in a folder's place. Only root may.
func smallDisk(t *testing.T, dir string, size int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("a small disk cannot be mounted here: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
}

// form is an upload of a file.
func form(t *testing.T, content []byte) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "events.csv")
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, errors.Join(err, w.Close()))
	return b.Bytes(), w.FormDataContentType()
}

// newDiskSite starts the whole service in one process on a small disk under a folder of its data.
func newDiskSite(t *testing.T, under string, size int) (s *stand, dir string) {
	t.Helper()
	sim := apptest.NewSim(t, func(o *celonissim.Options) { o.Keep = celonissim.KeepHashes })
	p := newProgram(t, sim.URL).with("CONNECTOR_CHUNK_BYTES", smallChunk)
	dir = filepath.Join(p.env["CONNECTOR_DATA_DIR"], under)
	smallDisk(t, dir, size)
	s = &stand{program: p, sim: sim}
	s.api = p.serve("all")
	s.client = p.client(s.api.url)
	s.connection = s.client.Connect("pool", sim)
	return s, dir
}

// An upload that the spool's disk cannot take is refused, and nothing of it stays.
func TestFullSpool(t *testing.T) {
	t.Parallel()
	const size = 2 << 20
	s, dir := newDiskSite(t, "files", size)
	refused := func(bytes int) {
		t.Helper()
		body, contentType := form(t, make([]byte, bytes))
		a := s.client.Send("POST", "/v1/files", body, "Content-Type", contentType)
		require.Equal(t, http.StatusInsufficientStorage, a.Status, "%s", a.Body)
		require.Equal(t, string(fault.SpoolFull), a.Problem(t).Code)
	}
	names := func() (names []string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	refused(size + 100<<10)
	require.Empty(t, names())

	const rows = 10_000
	fileID, hash := s.log(rows) // it fits, now that the other is gone
	whole := names()
	require.Len(t, whole, 1)
	info, err := os.Stat(filepath.Join(dir, whole[0]))
	require.NoError(t, err)
	refused(size - int(info.Size()) + 100<<10)
	require.Equal(t, whole, names())
	table := s.newTable()
	s.requireExact(s.client.Start(s.flow(fileID, table, "delta")).ID, table, rows, hash)
}

// A run whose database cannot write a checkpoint, as the disk is full, goes on
// once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, dir := newDiskSite(t, "", 32<<20)
	fileID, hash := s.log(fewRows)
	for _, mode := range []string{"replace", "delta"} {
		table := s.newTable()
		trap := s.sim.Trap(apptest.Upload, table, 3)
		run := s.client.Start(s.flow(fileID, table, mode))
		apptest.Receive(t, trap.Came(), "the third chunk goes out")
		ballast := fill(t, filepath.Join(dir, "ballast"))
		trap.Release()
		s.api.stderr.await(t, `could not be settled; another attempt will" run=`+run.ID, s.api.done)
		require.NoError(t, os.Remove(ballast))
		r := s.requireExact(run.ID, table, fewRows, hash)
		require.Equal(t, 2, r.Attempt)
	}
}

// fill writes a file until the disk takes no more.
func fill(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for _, step := range []int{1 << 20, 1 << 12, 1} {
		block := make([]byte, step)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	return path
}
