package spool_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/spool"
	"github.com/stretchr/testify/require"
)

func TestPieces(t *testing.T) {
	t.Parallel()
	s, err := spool.Open(filepath.Join(t.TempDir(), "files"))
	require.NoError(t, err)
	none, err := s.Parts("push", 9)
	require.NoError(t, err)
	require.Empty(t, none)
	for _, p := range []spool.Part{{Seq: 1, Rows: 5, Fence: 1}, {Seq: -1, Fence: 1}, {Seq: 10, Rows: 1, Fence: 1}, {Seq: 0, Rows: 7, Fence: 1}, {Seq: 1, Rows: 6, Fence: 2}, {Seq: 1, Rows: 5, Fence: 1}} {
		require.NoError(t, s.PutPart("push", p, make([]byte, p.Rows)))
	}
	parts, err := s.Parts("push", 2)
	require.NoError(t, err)
	require.Equal(t, []spool.Part{{Seq: -1, Fence: 1}, {Seq: 0, Rows: 7, Fence: 1, Size: 7}, {Seq: 1, Rows: 6, Fence: 2, Size: 6}, {Seq: 10, Rows: 1, Fence: 1, Size: 1}}, parts,
		"the piece of the later attempt counts")
	parts, err = s.Parts("push", 1)
	require.NoError(t, err)
	require.Equal(t, spool.Part{Seq: 1, Rows: 5, Fence: 1, Size: 5}, parts[2], "an attempt before does not see it")

	made, err := s.Made(time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []string{"push"}, made)
	made, err = s.Made(time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Empty(t, made)
	require.NoError(t, s.DropParts("push"))
	require.NoError(t, s.DropParts("push"))
	parts, err = s.Parts("push", 2)
	require.NoError(t, err)
	require.Empty(t, parts)
	for _, id := range []string{"", "..", "a/b"} {
		require.Error(t, s.PutPart(id, spool.Part{}, nil))
		require.Error(t, s.DropParts(id))
	}
}

func TestMakeAndPublish(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	s, err := spool.Open(dir)
	require.NoError(t, err)
	whole, err := s.Make(t.Context(), "file", func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err })
	require.NoError(t, err)
	require.EqualValues(t, 3, whole.Bytes)
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", whole.SHA256)
	_, _, err = s.Open("file")
	require.True(t, fault.Has(err, fault.FileNotFound), "it is there before it is published")
	require.NoError(t, whole.Publish())
	require.NoError(t, whole.Publish(), "a transaction that is repeated publishes again")
	whole.Discard()
	f, _, err := s.Open("file")
	require.NoError(t, err)
	require.NoError(t, f.Close())

	_, err = s.Make(t.Context(), "other", func(w io.Writer) error {
		_, err := io.WriteString(w, "ab")
		require.NoError(t, err)
		return fault.New(fault.SourceRead, "a piece cannot be read")
	})
	require.True(t, fault.Has(err, fault.SourceRead), "%v", err)
	left, err := os.ReadDir(filepath.Join(dir, "making", "other"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPiecesWithoutAFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	s, err := spool.Open(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "making"), nil, 0o600))
	require.True(t, fault.Has(s.PutPart("push", spool.Part{}, nil), fault.SpoolFull))
	_, err = s.Make(t.Context(), "push", func(io.Writer) error { return nil })
	require.True(t, fault.Has(err, fault.SpoolFull), "%v", err)
}
