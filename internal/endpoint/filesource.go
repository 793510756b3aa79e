package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/google/uuid"
)

// DefaultMaxSource is the most that one run fetches of files, in bytes.
const DefaultMaxSource = 10 << 30

// filePart is a file in the temporary file of an attempt.
type filePart struct {
	// name is what people know the file by, without a query.
	name     string
	at, size int64
}

// fetchedFiles is a source of files that are fetched whole before their first
// record is mapped: by URL, or all below a prefix of a bucket that are new.
// What is read several times within an attempt is the same each time.
type fetchedFiles struct {
	deps   *Deps
	flow   *flows.Flow
	window *flows.Window
	// look, when set, fetches only the beginning.
	look *flows.Look

	file      *os.File
	parts     []filePart
	identity  string
	watermark string
}

var (
	_ engine.Source = (*fetchedFiles)(nil)
	_ io.Closer     = (*fetchedFiles)(nil)
)

func (b *Builder) fetchedFiles(f *flows.Flow, r *flows.Run) *fetchedFiles {
	return &fetchedFiles{deps: &b.Deps, flow: f, window: r.Options.Window}
}

// Open implements engine.Source. Only the first call of an attempt fetches.
func (s *fetchedFiles) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	if s.identity == "" {
		if err := s.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.parts) == 0 {
		return nil, s.empty()
	}
	stream, err := s.open(ctx, want)
	if err != nil {
		return nil, err
	}
	stream.InputSize, stream.Identity, stream.Watermark = s.bytes(), s.identity, s.watermark
	stream.MustHaveRows = s.flow.Export.URL != ""
	return stream, nil
}

func (s *fetchedFiles) open(ctx context.Context, want []string) (*engine.Stream, error) {
	parquet := s.flow.Export.Format == flows.ParquetFile
	switch {
	case parquet && len(s.parts) == 1:
		p := s.parts[0]
		r, err := columns.OpenParquet(s.section(p), p.size, want)
		if err != nil {
			return nil, inFile(p, err)
		}
		return &engine.Stream{Reader: r, NamesComplete: true, Typed: true}, nil
	case parquet:
		return s.chainParquet(want)
	case len(s.parts) > 1:
		return s.chainText(ctx, want)
	}
	r, err := s.openText(s.parts[0], want)
	if err != nil {
		return nil, err
	}
	return s.textStream(r, r.Separator()), nil
}

// textStream says what the engine may know of the records of a text.
func (s *fetchedFiles) textStream(r engine.Reader, separator byte) *engine.Stream {
	isText := s.flow.Export.Format == flows.CSV
	return &engine.Stream{Reader: r, NamesComplete: isText, Typed: !isText, DecimalComma: isText && separator != ','}
}

func (s *fetchedFiles) openText(p filePart, want []string) (*columns.Reader, error) {
	r, err := columns.Open(s.section(p), fileSource{export: s.flow.Export}.options(want))
	return r, inFile(p, err)
}

func (s *fetchedFiles) section(p filePart) *io.SectionReader {
	return io.NewSectionReader(s.file, p.at, p.size)
}

// inFile names the file in a fault of reading it.
func inFile(p filePart, err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return err
	}
	f := *fault.From(err)
	f.Message = fmt.Sprintf("file %q: %s", p.name, f.Message)
	return &f
}

func (s *fetchedFiles) bytes() (n int64) {
	for _, p := range s.parts {
		n += p.size
	}
	return n
}

// fetch brings the files to disk, in a file that nobody else sees and that is gone with the process.
func (s *fetchedFiles) fetch(ctx context.Context) error {
	f, err := os.CreateTemp(s.deps.TempDir, "files-*.part")
	if err != nil {
		return spoolFault(err)
	}
	_ = os.Remove(f.Name())
	s.file = f
	bring := s.fetchURL
	if s.flow.Export.URL == "" {
		bring = s.fetchBucket
	}
	if err := bring(ctx); err != nil {
		s.parts = nil
		return errors.Join(err, s.Close())
	}
	s.identity = uuid.NewString()
	return nil
}

func (s *fetchedFiles) fetchURL(ctx context.Context) error {
	e := s.flow.Export
	client := s.deps.Logins.Anonymous()
	if e.ConnectionID != "" {
		var err error
		if client, err = s.client(ctx); err != nil {
			return err
		}
	}
	what := placeOf(e.URL)
	return s.add(ctx, what, outside.URLOpener(client, e.URL, fmt.Sprintf("%q", what), s.deps.Now))
}

// client logs in as the export's connection, to what lies below its base URL.
func (s *fetchedFiles) client(ctx context.Context) (*http.Client, error) {
	target, err := s.deps.Outside.OutsideTarget(ctx, s.flow.Workspace, s.flow.Export.ConnectionID)
	if err != nil {
		return nil, err
	}
	if !flows.Below(s.flow.Export.URL, target.BaseURL) {
		return nil, fault.New(fault.FlowInvalid, "the export's url does not begin with the base URL of its connection")
	}
	return s.deps.Logins.Client(target)
}

// placeOf is host and path of an address: there may be a key in its query.
func placeOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the file"
	}
	return u.Host + u.Path
}

// add brings one more file to disk.
func (s *fetchedFiles) add(ctx context.Context, name string, open outside.Opener) error {
	at := s.bytes()
	d := outside.Download{
		Open: open, What: fmt.Sprintf("%q", name), Most: s.most() - at, Cut: s.cuts(), Now: s.deps.Now, Records: s.flow.Export.Format != flows.ParquetFile || s.flow.Export.URL != "",
	}
	size, err := d.To(ctx, s.file, at)
	if err != nil {
		return err
	}
	s.parts = append(s.parts, filePart{name, at, size})
	return nil
}

func (s *fetchedFiles) most() int64 {
	if s.look != nil {
		return s.look.MaxBytes
	}
	return cmp.Or(s.deps.MaxSource, DefaultMaxSource)
}

// fetchBucket brings the files below the prefix that the window lets through,
// in the order in which they were written.
func (s *fetchedFiles) fetchBucket(ctx context.Context) error {
	target, err := s.deps.Outside.OutsideTarget(ctx, s.flow.Workspace, s.flow.Export.ConnectionID)
	if err != nil {
		return err
	}
	bucket, err := s.deps.Logins.Bucket(target)
	if err != nil {
		return err
	}
	come, keep, err := s.newFiles()
	if err != nil {
		return err
	}
	found, err := bucket.List(ctx, s.flow.Export.Prefix, keep)
	if err != nil {
		return err
	}
	var total int64
	for _, o := range found {
		if total += o.Bytes; total > s.most() && s.look == nil {
			return fault.New(fault.SourceTooLarge, "the files below the prefix have more than %d bytes", s.most()).
				WithHint("give a longer prefix, or let runs read what is new with a delta; the operator can allow more with CONNECTOR_MAX_SOURCE_BYTES")
		}
	}
	for _, o := range s.beginning(found) {
		if o.Bytes > 0 {
			if err := s.add(ctx, o.Key, bucket.Open(o)); err != nil {
				return err
			}
		}
		come = come.and(o)
		s.watermark = come.String()
	}
	return nil
}

// newFiles says where the run begins and which files it reads.
func (s *fetchedFiles) newFiles() (from mark, keep func(outside.Object) bool, err error) {
	if s.window == nil {
		return from, func(outside.Object) bool { return true }, nil
	}
	s.watermark = s.window.From
	if from, err = parseMark(s.window.From); err != nil {
		return from, nil, err
	}
	to, err := parseMark(s.window.To)
	if err != nil {
		return from, nil, err
	}
	return from, func(o outside.Object) bool {
		return (s.window.From == "" || from.before(o)) && (s.window.To == "" || !to.before(o))
	}, nil
}

// empty is a run that finds no new file. That there is none at all is told.
func (s *fetchedFiles) empty() *engine.Empty {
	e := &engine.Empty{Watermark: s.watermark}
	if s.window == nil || s.window.From == "" {
		e.Warning = &flows.Warning{Code: fault.SourceEmpty, Message: fmt.Sprintf(
			"there is no file with a record below the prefix %q: nothing was pushed and the table is as it was; either there is none, or the prefix is wrong", s.flow.Export.Prefix)}
	}
	return e
}

// Close implements io.Closer.
func (s *fetchedFiles) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
