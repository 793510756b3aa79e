package endpoint

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/spool"
)

// fileSource reads an uploaded file, or a path of the machine for runs from a shell.
type fileSource struct {
	export flows.Export
	spool  Spool
}

var _ engine.Source = fileSource{}

// Open implements engine.Source.
func (s fileSource) Open(_ context.Context, want []string) (*engine.Stream, error) {
	f, size, err := s.open()
	if err != nil {
		return nil, err
	}
	if s.export.Format == flows.ParquetFile {
		return s.openParquet(f, size, want)
	}
	r, err := columns.Open(f, s.options(want))
	if err != nil {
		f.Close()
		return nil, err
	}
	isText := s.export.Format == flows.CSV
	return &engine.Stream{
		Reader: closing{r, f}, InputSize: size, MustHaveRows: true,
		NamesComplete: isText, Typed: !isText, DecimalComma: isText && r.Separator() != ',',
	}, nil
}

func (s fileSource) openParquet(f *os.File, size int64, want []string) (*engine.Stream, error) {
	r, err := columns.OpenParquet(f, size, want)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &engine.Stream{
		Reader: closingParquet{r, f}, InputSize: size, MustHaveRows: true, NamesComplete: true, Typed: true,
	}, nil
}

func (s fileSource) open() (*os.File, int64, error) {
	if s.export.Path != "" {
		return spool.OpenPath(s.export.Path)
	}
	return s.spool.Open(s.export.FileID)
}

func (s fileSource) options(want []string) columns.ReadOptions {
	opt := columns.ReadOptions{Format: columns.Format(s.export.Format), Want: want, Strict: want == nil}
	if c := s.export.CSV; c != nil {
		opt.CSV = columns.CSVOptions{
			Separator: c.Separator, Quote: c.Quote, Encoding: c.Encoding,
			NoHeader: c.Header != nil && !*c.Header,
		}
	}
	return opt
}

// closing closes what a reader reads from, too.
type closing struct {
	*columns.Reader
	from io.Closer
}

// Close implements engine.Reader.
func (c closing) Close() error { return errors.Join(c.Reader.Close(), c.from.Close()) }

// closingParquet is closing for a Parquet file.
type closingParquet struct {
	*columns.ParquetReader
	from io.Closer
}

// Close implements engine.Reader.
func (c closingParquet) Close() error { return errors.Join(c.ParquetReader.Close(), c.from.Close()) }

// recordsSource reads the records that were posted to a flow and that the run holds.
type recordsSource struct {
	records flows.RecordStore
	token   flows.Token
	// ready gives a fault while the run should not choose its records yet.
	ready func(context.Context) error
}

var _ engine.Source = recordsSource{}

// Open implements engine.Source.
func (s recordsSource) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	ids, err := s.records.AssignRecords(ctx, s.token)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, engine.ErrNoRecords
	}
	posted := &postedRecords{ctx: ctx, records: s.records, workspace: s.token.Workspace, ids: ids}
	r, err := columns.Open(posted, columns.ReadOptions{Format: columns.FormatNDJSON, Want: want, Strict: want == nil})
	if err != nil {
		return nil, err
	}
	return &engine.Stream{Reader: r, Typed: true}, nil
}

// postedRecords reads batches one after another, each when its turn comes.
type postedRecords struct {
	ctx       context.Context
	records   flows.RecordStore
	workspace string
	ids       []string
	rest      []byte
}

// Read implements io.Reader.
func (p *postedRecords) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if len(p.ids) == 0 {
			return 0, io.EOF
		}
		data, err := p.records.RecordBatchData(p.ctx, p.workspace, p.ids[0])
		if err != nil {
			return 0, err
		}
		p.rest, p.ids = data, p.ids[1:]
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
