package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsource"
)

// toolFetcher brings what a tool of an MCP server asset gives: it is called as a
// REST API is, as often as its paging says.
type toolFetcher struct {
	*Builder
	workspace string
	export    flows.Export
	window    *flows.Window
	start     time.Time
	looked    func(httpsource.Exchange)
}

var _ Fetcher = (*toolFetcher)(nil)

// tool makes the source of an export of type mcpTool.
func (b *Builder) tool(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	return b.newCaptured(b.toolFetcher(f, r), r), nil
}

func (b *Builder) toolFetcher(f *flows.Flow, r *flows.Run) *toolFetcher {
	start := r.StartedAt
	if start.IsZero() {
		start = b.Now()
	}
	return &toolFetcher{Builder: b, workspace: f.Workspace, export: f.Export, window: r.Options.Window, start: start}
}

// Fetch implements Fetcher. Faults: those of Targets and of httpsource.Client.Read.
func (f *toolFetcher) Fetch(ctx context.Context, out *Capture) error {
	target, err := f.Targets.Target(ctx, f.workspace, f.export.ConnectionID)
	if err != nil {
		return err
	}
	login, err := celonis.New(celonis.Config{Target: target, Transport: f.Transport, Logger: f.Log, Now: f.Now, Shared: f.Limits, Tokens: f.Tokens})
	if err != nil {
		return err
	}
	path, err := celonis.ToolPath(f.export.Asset, f.export.Tool)
	if err != nil {
		return err
	}
	calls := *login.HTTP()
	if f.export.ItemsPath == flows.DataFramePath {
		calls.Transport = framing{calls.Transport}
	}
	client, err := httpsource.New(httpsource.Config{Target: outsideOf(target), HTTP: &calls, TempDir: f.TempDir, Log: f.Log, Now: f.Now})
	if err != nil {
		return err
	}
	part, err := out.Part()
	if err != nil {
		return err
	}
	export := f.export
	export.Request = export.ToolRequest(strings.TrimPrefix(path, "/"))
	got, err := client.Read(ctx, httpsource.Job{Export: export, Window: f.window, Start: f.start, Looked: f.looked}, part)
	if err != nil {
		return err
	}
	out.SetWatermark(got.Watermark)
	return nil
}

// outsideOf gives a connection to Celonis as one to a REST API. Whoever makes
// the calls logs in; the secret is there so that what is told of an answer
// does not hold it.
func outsideOf(t connections.Target) connections.OutsideTarget {
	o := connections.OutsideTarget{
		ID: t.ID, APIType: connections.HTTP, AuthType: connections.Bearer, Outside: connections.Outside{BaseURL: t.BaseURL}, Secret: t.Key, HTTP: t.HTTP,
	}
	if t.OAuth != nil {
		o.Secret = t.OAuth.ClientSecret
	}
	return o
}

// framing gives every answer of a tool the form of a data tool's: rows that are
// lists become objects by the names of the schema, and what is no data frame
// becomes the records of one.
type framing struct{ next http.RoundTripper }

// maxToolAnswer bounds one answer of a tool, in bytes.
const maxToolAnswer = 64 << 20

// RoundTrip implements http.RoundTripper.
func (t framing) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxToolAnswer+1))
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	if len(body) > maxToolAnswer {
		return nil, fault.New(fault.SourceTooLarge, "an answer of the tool has more than %d bytes", maxToolAnswer)
	}
	framed := frame(body)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(framed)), int64(len(framed))
	res.Header = res.Header.Clone()
	res.Header.Set("Content-Length", strconv.Itoa(len(framed)))
	res.Header.Set("Content-Type", "application/json")
	return res, nil
}

// frameColumn is a column of a data frame's schema.
type frameColumn struct {
	ID string `json:"id"`
}

// frame gives an answer as a data frame; what is no JSON becomes a record with the member text.
func frame(body []byte) []byte {
	var text string
	if json.Unmarshal(body, &text) == nil {
		body = []byte(text)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) == nil && object != nil {
		if inner, ok := object["data_frame_content"]; ok {
			object["data_frame_content"] = namedRows(inner)
			return mustJSON(object, body)
		}
		return framed(body)
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && list != nil {
		return framed(list...)
	}
	quoted, err := json.Marshal(map[string]string{"text": string(body)})
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return framed[[]byte]()
	}
	return framed(quoted)
}

func framed[T ~[]byte](records ...T) []byte {
	data := make([]json.RawMessage, len(records))
	for i, r := range records {
		data[i] = json.RawMessage(r)
	}
	return mustJSON(map[string]any{"data_frame_content": map[string]any{"data": data}}, nil)
}

// mustJSON writes what was read from JSON before; or stands for what cannot be written.
func mustJSON(v any, or []byte) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return or
	}
	return text
}

// namedRows gives rows that are lists the names of the schema.
func namedRows(content json.RawMessage) json.RawMessage {
	var f struct {
		Data   []json.RawMessage `json:"data"`
		Schema []frameColumn     `json:"schema"`
	}
	if json.Unmarshal(content, &f) != nil {
		return content
	}
	rows := make([]json.RawMessage, len(f.Data))
	for i, row := range f.Data {
		rows[i] = row
		var cells []json.RawMessage
		if json.Unmarshal(row, &cells) != nil || cells == nil || len(cells) != len(f.Schema) {
			continue
		}
		named := make(map[string]json.RawMessage, len(cells))
		for c, cell := range cells {
			named[f.Schema[c].ID] = cell
		}
		rows[i] = mustJSON(named, row)
	}
	return mustJSON(map[string]any{"data": rows, "schema": f.Schema}, content)
}
