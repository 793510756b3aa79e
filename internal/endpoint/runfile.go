package endpoint

import (
	"context"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/spool"
)

// FileSpool keeps the pieces of the files that runs make; *spool.Spool is one.
type FileSpool interface {
	PutPart(id string, p spool.Part, body []byte) error
	Parts(id string, fence int64) ([]spool.Part, error)
	OpenPart(id string, p spool.Part) (*os.File, error)
	Make(ctx context.Context, id string, write func(io.Writer) error) (*spool.Whole, error)
	DropParts(id string) error
	Remove(id string) error
}

var _ FileSpool = (*spool.Spool)(nil)

// RunFileSpec says what a run's file is.
type RunFileSpec struct {
	// Name is what callers see and download it as; see flows.SafeFileName.
	Name string
	// Format is what the pieces hold: those of Parquet are whole files of one schema, all others are put together as they are.
	Format flows.Format
	// KeepDays is how long the file can be downloaded; 0 is flows.DefaultKeepDays.
	KeepDays int
}

// RunFile is a file that a run makes piece by piece. Its id is that of the
// run's push, so that every attempt that goes on with a push goes on with its
// file, and a push makes one file however often it is committed. Pieces may
// come in any order and from several goroutines; a piece that comes again
// replaces itself. Nobody sees the file before Commit (I3), and of two workers
// that think they have the run only the one that has it can commit (I2).
//
// A sink that keeps what it was answered uses one beside its deliveries: Put
// for each group with the group's first row as its place, Commit in its own
// Commit, Abort in its own Abort.
type RunFile struct {
	spool FileSpool
	store flows.RunFileStore
	token flows.Token
	spec  RunFileSpec
	max   int64
	now   func() time.Time
	bytes atomic.Int64
}

// NewRunFile makes the file of a run that a worker has claimed.
func (b *Builder) NewRunFile(r *flows.Run, spec RunFileSpec) *RunFile {
	if spec.KeepDays == 0 {
		spec.KeepDays = flows.DefaultKeepDays
	}
	f := &RunFile{spool: b.FileSpool, store: b.RunFiles, spec: spec, max: b.MaxFile, now: b.Now}
	if r != nil {
		f.token = r.Token()
	}
	return f
}

// Put keeps a piece of the file with its place and how many rows it has;
// places are 0 and above, -1 is what stands before all rows. It returns when
// the piece is on disk. Faults: SpoolFull, FileTooLarge.
func (f *RunFile) Put(id string, place, rows int64, body []byte) error {
	if n := f.bytes.Add(int64(len(body))); f.max > 0 && n > f.max {
		return fault.New(fault.FileTooLarge, "the file would be larger than %d bytes", f.max).
			WithHint("split what the flow reads, choose a format that packs better, or have the operator raise the largest size of files")
	}
	return f.spool.PutPart(id, spool.Part{Seq: place, Rows: rows, Fence: f.token.Fence}, body)
}

// IsWhole reports whether all pieces with places from -1 to below-1 are there:
// those that an attempt put on another machine are not.
func (f *RunFile) IsWhole(id string, below int64) (bool, error) {
	parts, err := f.parts(id, below)
	if err != nil {
		return false, err
	}
	size := int64(0)
	for i, p := range parts {
		size += p.Size
		if p.Seq != int64(i)-1 {
			return false, nil
		}
	}
	f.bytes.Store(size)
	return int64(len(parts)) == below+1, nil
}

// IsStored reports whether the file was committed.
func (f *RunFile) IsStored(ctx context.Context, id string) (bool, error) {
	_, err := f.store.File(ctx, f.token.Workspace, id)
	if fault.Has(err, fault.FileNotFound) {
		return false, nil
	}
	return err == nil, err
}

// parts lists the pieces before a place; behind it may be what an attempt left that did not end.
func (f *RunFile) parts(id string, below int64) ([]spool.Part, error) {
	parts, err := f.spool.Parts(id, f.token.Fence)
	return slices.DeleteFunc(parts, func(p spool.Part) bool { return p.Seq >= below }), err
}

// Commit puts the pieces before a place together, in their order, and shows
// the file. It may be called again. Faults: SpoolFull, FileTooLarge, RunLeaseLost.
func (f *RunFile) Commit(ctx context.Context, id string, below int64) error {
	stored, err := f.IsStored(ctx, id)
	if err != nil {
		return err
	}
	if !stored {
		if err := f.publish(ctx, id, below); err != nil {
			return err
		}
	}
	return f.spool.DropParts(id)
}

func (f *RunFile) publish(ctx context.Context, id string, below int64) error {
	parts, err := f.parts(id, below)
	if err != nil {
		return err
	}
	rows := int64(0)
	for _, p := range parts {
		rows += p.Rows
	}
	whole, err := f.spool.Make(ctx, id, func(w io.Writer) error {
		if f.spec.Format == flows.ParquetFile {
			return f.join(ctx, w, id, parts)
		}
		return f.concatenate(w, id, parts)
	})
	if err != nil {
		return err
	}
	defer whole.Discard()
	now := f.now()
	return f.store.AddRunFile(ctx, f.token, &flows.File{
		ID: id, Name: f.spec.Name, Bytes: whole.Bytes, SHA256: whole.SHA256, CreatedAt: now,
		Format: f.spec.Format, Rows: rows, ExpiresAt: now.Add(time.Duration(f.spec.KeepDays) * 24 * time.Hour),
	}, whole.Publish)
}

func (f *RunFile) concatenate(w io.Writer, id string, parts []spool.Part) error {
	buffer := make([]byte, 1<<20)
	for _, p := range parts {
		file, err := f.spool.OpenPart(id, p)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{file}, buffer)
		file.Close()
		if err != nil {
			return fault.Wrap(err, fault.SpoolFull, "a piece of the run's file cannot be read")
		}
	}
	return nil
}

// join makes one Parquet file of the pieces, of which one is open at a time.
func (f *RunFile) join(ctx context.Context, w io.Writer, id string, parts []spool.Part) error {
	_, err := columns.JoinParquet(ctx, w, func(yield func(columns.ParquetPart, error) bool) {
		for _, p := range parts {
			file, err := f.spool.OpenPart(id, p)
			more := yield(columns.ParquetPart{ReaderAt: file, Size: p.Size}, err)
			if err == nil {
				file.Close()
			}
			if !more {
				return
			}
		}
	})
	return err
}

// Abort takes back what was put of a file that was not committed.
func (f *RunFile) Abort(ctx context.Context, id string) error {
	if err := f.spool.DropParts(id); err != nil {
		return err
	}
	stored, err := f.IsStored(ctx, id)
	if err != nil || stored {
		return err
	}
	// A worker that died while it committed may have given the bytes their place.
	return f.spool.Remove(id)
}
