package flows

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// DefaultPreviewLimit and MaxPreviewLimit bound the records of a preview.
	DefaultPreviewLimit, MaxPreviewLimit = 20, 100
	// MaxPreviewRaw is how much of a source's answer a preview shows, in bytes.
	MaxPreviewRaw = 4 << 10
	// MaxPreviewExchanges is how many requests to a source a preview shows.
	MaxPreviewExchanges = 10
)

// PreviewRequest is what is asked of a preview beside the flow.
type PreviewRequest struct {
	// Limit is how many records are looked at; absent is DefaultPreviewLimit.
	Limit int `json:"limit,omitempty" validate:"omitempty,min=1,max=100"`
	// Window is what is read of a source that has an order; absent is what the next run would read.
	Window *Window `json:"window,omitempty"`
	// Records stand in for those of the source, which is then left alone.
	Records []json.RawMessage `json:"records,omitempty" validate:"max=100"`
}

// Wanted is how many records are looked at, the default where the caller names none.
func (r PreviewRequest) Wanted() int { return cmp.Or(r.Limit, DefaultPreviewLimit) }

// Look is how a source is looked at instead of read: only its beginning is fetched.
type Look struct {
	// Limit is how many records are wanted.
	Limit int
	// MaxBytes is the most that is fetched of files.
	MaxBytes int64
	// Records, when set, are NDJSON that stands in for the source.
	Records []byte
	// Asked, when set, hears of every request to the source with its answer, in order.
	Asked func(Exchange)
}

// Exchange is a request to a source and its answer. It holds no secret.
type Exchange struct {
	// Kind is the type of the export, records where records were given.
	Kind string `json:"kind"`
	// Method, URL, Headers and Body are those of a request by HTTP.
	Method  string           `json:"method,omitempty"`
	URL     string           `json:"url,omitempty"`
	Headers []ExchangeHeader `json:"headers,omitempty"`
	Body    string           `json:"body,omitempty"`
	// SQL is a statement as the database got it, Binds are its values in the order of their places.
	SQL   string   `json:"sql,omitempty"`
	Binds []string `json:"binds,omitempty"`
	// Name, Format and Separator are those of a file; Separator as it was given or found out.
	Name      string `json:"name,omitempty"`
	Format    Format `json:"format,omitempty"`
	Separator string `json:"separator,omitempty"`
	// Status and ContentType are those of an answer by HTTP; Bytes is the answer's size as far as it was read.
	Status      int    `json:"status,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Bytes       int64  `json:"bytes"`
	Records     int    `json:"records,omitempty"`
	Millis      int64  `json:"millis"`
	// Head is the beginning of the answer.
	Head []byte `json:"-"`
}

// ExchangeHeader is a header of a request; the value of one that logs in is hidden.
type ExchangeHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// StageFault is what went wrong in a stage of a preview.
type StageFault struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	// Pointer leads to the member of the flow that is at fault.
	Pointer string `json:"pointer,omitempty"`
	// Record counts from 1; Element is that of an expanded record, from 1. Line counts from 1, Offset is in bytes of the
	// decoded source.
	Record  int64  `json:"record,omitempty"`
	Element int64  `json:"element,omitempty"`
	Line    int64  `json:"line,omitempty"`
	Offset  *int64 `json:"offset,omitempty"`
	Field   string `json:"field,omitempty"`
}

// Stage is how a stage of a preview went. One that was not reached is neither
// ok nor has it errors.
type Stage struct {
	OK     bool         `json:"ok"`
	Errors []StageFault `json:"errors"`
}

// Fail adds what went wrong.
func (s *Stage) Fail(faults ...StageFault) {
	s.OK = false
	s.Errors = append(s.Errors, faults...)
}

// Preview is a flow tried on a few records, stage by stage. Nothing was sent.
type Preview struct {
	// OK says that every stage is, and that no finding would fail a run.
	OK bool `json:"ok"`
	// Limit is how many records were asked for.
	Limit int `json:"limit"`
	// Window is what was read of a source that has an order; nil is everything.
	Window *Window `json:"window"`

	Request   RequestStage   `json:"request"`
	Raw       RawStage       `json:"raw"`
	Parsed    ParsedStage    `json:"parsed"`
	Filtered  FilteredStage  `json:"filtered"`
	Mapped    MappedStage    `json:"mapped"`
	Table     TableStage     `json:"table"`
	Preflight PreflightStage `json:"preflight"`

	At time.Time `json:"at"`
}

// RequestStage is what was asked of the source.
type RequestStage struct {
	Stage
	Exchanges []Exchange `json:"exchanges"`
}

// RawStage is the beginning of the source's answer.
type RawStage struct {
	Stage
	Text      string `json:"text"`
	Truncated bool   `json:"truncated"`
}

// ParsedStage is the records that were found in it.
type ParsedStage struct {
	Stage
	Records []PreviewRecord `json:"records"`
}

// PreviewRecord is a record of the source.
type PreviewRecord struct {
	// Record counts from 1, Line too; Line is 0 where the source has no lines.
	Record int64 `json:"record"`
	Line   int64 `json:"line,omitempty"`
	// Data is the record as JSON; nil when it could not be read.
	Data json.RawMessage `json:"data"`
}

// FilteredStage is what expansion and filter made of the records.
type FilteredStage struct {
	Stage
	// Records counts the records after expansion, Dropped those that filter or expansion took out.
	Records int64 `json:"records"`
	Dropped int64 `json:"dropped"`
	// Of lists, record by record, what became of it.
	Of []PreviewFate `json:"of"`
}

// PreviewFate is what became of a record.
type PreviewFate struct {
	Record int64 `json:"record"`
	// Expanded is into how many records it was expanded, 1 without expansion; Dropped is how many of these were taken out.
	Expanded int64 `json:"expanded"`
	Dropped  int64 `json:"dropped"`
}

// MappedStage is the rows as they would be pushed.
type MappedStage struct {
	Stage
	Rows []PreviewRow `json:"rows"`
}

// PreviewRow is a row as it would be pushed.
type PreviewRow struct {
	Record int64 `json:"record"`
	// Superseded says that another row of the same keys is pushed in its place.
	Superseded bool `json:"superseded"`
	// Values are the columns in order, a JSON object.
	Values json.RawMessage `json:"values"`
}

// TableStage is the table that would be declared.
type TableStage struct {
	Stage
	*DeclaredTable
}

// DeclaredTable is a table as a push would declare it, beside the one that stands.
type DeclaredTable struct {
	Table            string           `json:"table"`
	DataConnectionID string           `json:"dataConnectionId,omitempty"`
	Mode             Mode             `json:"mode,omitempty"`
	Keys             []string         `json:"keys"`
	Columns          []DeclaredColumn `json:"columns"`
	// Exists says whether the table stands; nil when that could not be found out.
	Exists *bool `json:"exists"`
	// Differences say in which ways the table that stands is another; a push that does not replace it would be refused.
	Differences []string `json:"differences"`
}

// DeclaredColumn is a column of a DeclaredTable.
type DeclaredColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// CelonisType is the word for it in Celonis.
	CelonisType string `json:"celonisType"`
	// Length is that of a string, in bytes.
	Length int  `json:"length,omitempty"`
	Key    bool `json:"key"`
}

// Severity says how much a finding matters.
type Severity string

const (
	// FindingError would fail a run or lose it the record.
	FindingError Severity = "error"
	// FindingWarning may.
	FindingWarning Severity = "warning"
	// FindingInfo is good to know.
	FindingInfo Severity = "info"
)

// Finding is something to know before the first run.
type Finding struct {
	Severity Severity   `json:"severity"`
	Code     fault.Code `json:"code"`
	Message  string     `json:"message"`
	Column   string     `json:"column,omitempty"`
}

// PreflightStage is what there is to know before the first run.
type PreflightStage struct {
	Stage
	Findings []Finding `json:"findings"`
}

// Forecast is what a dry run found: what a run would declare, and the first of the records that it could not take.
type Forecast struct {
	Table *DeclaredTable `json:"table"`
	// Errors are at most MaxForecastErrors; the ledger counts all of them.
	Errors []ForecastError `json:"errors"`
	// Changes are the first of what would change, at most MaxForecastChanges; Checkpoint.Actions counts all of it.
	Changes []ForecastChange `json:"changes,omitempty"`
	// Actions is Checkpoint.Actions, for those who read the forecast alone.
	Actions map[string]int64 `json:"actions,omitempty"`
}

// MaxForecastErrors bounds the record errors that a dry run tells.
const MaxForecastErrors = 20

// ForecastError is a record that a run could not take.
type ForecastError struct {
	Record  int64      `json:"record"`
	Line    int64      `json:"line,omitempty"`
	Offset  int64      `json:"offset,omitempty"`
	Field   string     `json:"field,omitempty"`
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// DeclareColumn gives a column in the words of Celonis; length counts for strings only.
func DeclareColumn(name, kind string, length int, keys []string) DeclaredColumn {
	c := DeclaredColumn{Name: name, Type: kind, CelonisType: strings.ToUpper(kind), Key: slices.Contains(keys, name)}
	if kind == "string" {
		c.Length = length
	}
	return c
}

// TakesPosts reports whether an export's records are posted to the service, so that nothing can be fetched of it.
func TakesPosts(t ExportType) bool {
	return t == ExportRecords || t == ExportWebhook || t == ExportEventSubscription
}

// NextOptions gives the options of the run that a flow would begin now: its
// window is the one asked for, else what the watermark leaves. What would leave
// the run nothing to read does not count: a look is at what there is. Fault
// FlowWindow, RequestInvalid when the window is not valid.
func (s *Service) NextOptions(ctx context.Context, f *Flow, window *Window) (RunOptions, error) {
	if window != nil {
		if err := checkWindow(f, *window); err != nil {
			return RunOptions{}, err
		}
		return RunOptions{Window: window, Backfill: true}, nil
	}
	o := RunOptions{Delta: f.Export.deltaRun(Manual)}
	if !o.Unbegun() {
		return o, nil
	}
	own, ahead := Watermark{}, Watermark{}
	if f.ID != "" {
		w, err := s.Watermarks.Watermark(ctx, f.Workspace, f.ID)
		if err != nil {
			return o, err
		}
		own = *w
	}
	if behind := f.Export.Delta.Behind; behind != "" {
		w, err := s.Watermarks.Watermark(ctx, f.Workspace, behind)
		if err != nil {
			return o, err
		}
		ahead = *w
	}
	o = o.Begin(f.Export.Delta, own, ahead)
	o.Delta = nil
	return o, nil
}
