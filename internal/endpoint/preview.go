package endpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/celonis-connector/connector/internal/sqlsource"
)

// Sample makes the source of a look at a flow: that of a run, which fetches
// only the beginning and tells what it asks. Fault FlowPreviewRecords for an
// export that nothing can be fetched of, when the look has no records.
func (b *Builder) Sample(f *flows.Flow, r *flows.Run, look flows.Look) (engine.Source, error) {
	if look.Asked == nil {
		look.Asked = func(flows.Exchange) {}
	}
	if look.Records != nil {
		return givenRecords{look: look, export: f.Export}, nil
	}
	switch f.Export.Type {
	case flows.ExportFile:
		if !f.Export.Fetched() {
			return seenFile{fileSource{export: f.Export, spool: b.Spool}, look, b.Now}, nil
		}
		files := b.fetchedFiles(f, r)
		files.look = &look
		return &seenFiles{fetchedFiles: files}, nil
	case flows.ExportKnowledgeModel, flows.ExportOData:
		fetcher := &knowledgeFetcher{Builder: b, workspace: f.Workspace, export: f.Export, window: r.Options.Window, limit: int64(look.Limit), looked: look.Asked}
		return b.sampled(fetcher, r, look), nil
	case flows.ExportHTTP:
		fetcher := &apiFetcher{Builder: b, workspace: f.Workspace, export: f.Export, window: r.Options.Window, start: b.Now()}
		fetcher.looked = func(e httpsource.Exchange) { look.Asked(exchangeOf(e)) }
		return b.sampled(fetcher, r, look), nil
	case flows.ExportSQL:
		fetcher := &sqlFetcher{Builder: b, workspace: f.Workspace, export: f.Export, start: b.Now()}
		if r.Options.Window != nil {
			fetcher.window = *r.Options.Window
		}
		// One stream is enough for the beginning, and asks the database the least.
		fetcher.export.PartitionBy, fetcher.export.Partitions = "", 0
		return b.sampled(&seenSQL{sqlFetcher: fetcher, look: look}, r, look), nil
	}
	if f.Export.Type == flows.ExportMCPTool {
		fetcher := b.toolFetcher(f, r)
		fetcher.looked = func(e httpsource.Exchange) { look.Asked(exchangeOf(e)) }
		return b.sampled(fetcher, r, look), nil
	}
	if slices.Contains(flows.AdminExports(), f.Export.Type) {
		return b.sampled(b.adminFetcher(f, r), r, look), nil
	}
	if flows.TakesPosts(f.Export.Type) {
		return nil, fault.New(fault.FlowPreviewRecords, "nothing can be fetched for an export of type %q, and no posted records are stored", f.Export.Type).
			WithHint("give records in the preview's body")
	}
	source, err := b.Source(f, r)
	if c, ok := source.(*captured); ok && err == nil {
		c.limit = int64(look.Limit)
		c.fetcher = &seenFetch{Fetcher: c.fetcher, kind: string(f.Export.Type), look: look, now: b.Now}
	}
	return source, err
}

// seenFetch tells how much was fetched of a source that shows no requests.
type seenFetch struct {
	Fetcher
	kind string
	look flows.Look
	now  func() time.Time
}

var _ Fetcher = (*seenFetch)(nil)

// Fetch implements Fetcher.
func (s *seenFetch) Fetch(ctx context.Context, out *Capture) error {
	began := s.now()
	err := s.Fetcher.Fetch(ctx, out)
	s.look.Asked(flows.Exchange{Kind: s.kind, Records: int(out.Records()), Bytes: out.bytes.Load(), Millis: s.now().Sub(began).Milliseconds()})
	return err
}

func (b *Builder) sampled(f Fetcher, r *flows.Run, look flows.Look) *captured {
	s := b.newCaptured(f, r)
	s.limit = int64(look.Limit)
	return s
}

// exchangeOf gives an exchange by HTTP in the words of a preview.
func exchangeOf(e httpsource.Exchange) flows.Exchange {
	out := flows.Exchange{
		Kind: string(flows.ExportHTTP), Method: e.Method, URL: e.URL, Body: e.Sent, Status: e.Status, ContentType: e.ContentType,
		Bytes: e.Size, Records: e.Records, Millis: e.Took.Milliseconds(), Head: e.Body,
	}
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		out.Headers = append(out.Headers, flows.ExchangeHeader{Name: http.CanonicalHeaderKey(name), Value: strings.Join(e.Header[name], ", ")})
	}
	return out
}

// seenSQL tells of the statements of a database.
type seenSQL struct {
	*sqlFetcher
	look flows.Look
}

var _ Fetcher = (*seenSQL)(nil)

// Fetch implements Fetcher.
func (s *seenSQL) Fetch(ctx context.Context, out *Capture) error {
	began, asked := s.Now(), []sqlsource.Statement(nil)
	s.looked = func(st sqlsource.Statement) { asked = append(asked, st) }
	err := s.sqlFetcher.Fetch(ctx, out)
	for i, st := range asked {
		e := flows.Exchange{Kind: string(flows.ExportSQL), SQL: st.SQL, Binds: st.Binds}
		if i == len(asked)-1 {
			e.Millis, e.Records, e.Bytes = s.Now().Sub(began).Milliseconds(), int(out.Records()), out.bytes.Load()
		}
		s.look.Asked(e)
	}
	return err
}

// givenRecords reads records that a caller gave in place of the source's.
type givenRecords struct {
	look   flows.Look
	export flows.Export
}

var _ engine.Source = givenRecords{}

// Open implements engine.Source. Texts given for a CSV file mean what they would in the file.
func (s givenRecords) Open(_ context.Context, want []string) (*engine.Stream, error) {
	s.look.Asked(flows.Exchange{
		Kind: string(flows.ExportRecords), Bytes: int64(len(s.look.Records)), Records: bytes.Count(s.look.Records, []byte{'\n'}), Head: s.look.Records,
	})
	r, err := columns.Open(bytes.NewReader(s.look.Records), columns.ReadOptions{Format: columns.FormatNDJSON, Want: want, Strict: want == nil})
	if err != nil {
		return nil, err
	}
	isText := s.export.Format == flows.CSV
	comma := isText && s.export.CSV != nil && s.export.CSV.Separator != "" && s.export.CSV.Separator != ","
	return &engine.Stream{Reader: r, Typed: !isText, DecimalComma: comma}, nil
}

// seenFile tells what an uploaded file is.
type seenFile struct {
	fileSource
	look flows.Look
	now  func() time.Time
}

// Open implements engine.Source.
func (s seenFile) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	began := s.now()
	e := flows.Exchange{Kind: string(flows.ExportFile), Format: s.export.Format}
	if f, size, err := s.open(); err == nil {
		e.Bytes, e.Head = size, headOf(f)
		_ = f.Close()
	}
	stream, err := s.fileSource.Open(ctx, want)
	e.Separator, e.Millis = separatorOf(stream), s.now().Sub(began).Milliseconds()
	s.look.Asked(e)
	return stream, err
}

// headOf reads the beginning of a text file; nil of any other.
func headOf(f io.ReaderAt) []byte {
	head := make([]byte, flows.MaxPreviewRaw+1)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	head = head[:n]
	if bytes.IndexByte(head, 0) >= 0 || !utf8.Valid(head[:max(0, n-utf8.UTFMax)]) {
		return nil
	}
	return head
}

// separatorOf gives the separator of a stream of CSV, "" of any other.
func separatorOf(stream *engine.Stream) string {
	if stream == nil {
		return ""
	}
	if s, ok := stream.Reader.(interface{ Separator() byte }); ok && s.Separator() != 0 {
		return string(rune(s.Separator()))
	}
	return ""
}

// seenFiles tells which files were fetched.
type seenFiles struct {
	*fetchedFiles
	told bool
}

// Open implements engine.Source.
func (s *seenFiles) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	began := s.deps.Now()
	stream, err := s.fetchedFiles.Open(ctx, want)
	if s.told {
		return stream, err
	}
	s.told = true
	took, told := s.deps.Now().Sub(began).Milliseconds(), s.parts
	if len(told) == 0 {
		told = []filePart{{name: s.what()}}
	}
	for _, p := range told {
		e := flows.Exchange{Kind: string(flows.ExportFile), Name: p.name, Format: s.flow.Export.Format, Bytes: p.size, Separator: separatorOf(stream), Millis: took}
		if p.size > 0 {
			e.Head = headOf(s.section(p))
		}
		s.look.Asked(e)
	}
	return stream, err
}

// what names the place that files are fetched from.
func (s *fetchedFiles) what() string {
	if s.flow.Export.URL != "" {
		return placeOf(s.flow.Export.URL)
	}
	return s.flow.Export.Prefix
}

// cuts reports whether the beginning of a file is enough; that of a Parquet file cannot be read without its end.
func (s *fetchedFiles) cuts() bool { return s.look != nil && s.flow.Export.Format != flows.ParquetFile }

// beginning gives the files that a look needs: the first that is not empty.
func (s *fetchedFiles) beginning(found []outside.Object) []outside.Object {
	if s.look == nil {
		return found
	}
	i := slices.IndexFunc(found, func(o outside.Object) bool { return o.Bytes > 0 })
	if i < 0 {
		return nil
	}
	return found[i : i+1]
}

var (
	_ engine.Source   = seenFile{}
	_ engine.Source   = (*seenFiles)(nil)
	_ io.ReaderAt     = (*os.File)(nil)
	_ engine.Declarer = (*dataPush)(nil)
	_ engine.Declarer = (*continuousPush)(nil)
	_ engine.Declarer = (*dataIngestion)(nil)
)

// Declare implements engine.Declarer.
func (d *dataPush) Declare(ctx context.Context, schema columns.Schema) (flows.DeclaredTable, error) {
	return d.table.declare(ctx, d.pushed(schema))
}

// Declare implements engine.Declarer.
func (u *upserting) Declare(ctx context.Context, schema columns.Schema) (flows.DeclaredTable, error) {
	return u.table.declare(ctx, schema)
}

// declare tells what a push of the columns would declare, and in which ways the table that stands is another.
func (t *standingTable) declare(ctx context.Context, schema columns.Schema) (flows.DeclaredTable, error) {
	out := flows.DeclaredTable{
		Table: t.spec.Table, DataConnectionID: t.spec.DataConnectionID, Mode: t.spec.Mode, Keys: append([]string{}, t.spec.Keys...),
		Columns: make([]flows.DeclaredColumn, len(schema)), Differences: []string{},
	}
	for i, f := range schema {
		out.Columns[i] = flows.DeclareColumn(f.Name, f.Type.String(), f.Length, t.spec.Keys)
	}
	if err := t.look(ctx); err != nil {
		return out, err
	}
	if t.unseen {
		return out, nil
	}
	exists := t.name != ""
	out.Exists = &exists
	if exists {
		out.Differences = append(out.Differences, t.differences(schema)...)
	}
	return out, nil
}
