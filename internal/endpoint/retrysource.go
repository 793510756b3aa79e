package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// retrySource reads the records of errors that a run retries. They are on
// record with the run, so that every reading has the same.
type retrySource struct {
	records flows.RetryStore
	token   flows.Token
	export  flows.Export
}

var _ engine.Source = retrySource{}

// Open implements engine.Source.
func (s retrySource) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	retried := &retriedRecords{ctx: ctx, records: s.records, token: s.token}
	if err := retried.fill(); err == io.EOF {
		return nil, engine.ErrNoRecords
	} else if err != nil {
		return nil, err
	}
	r, err := columns.Open(retried, columns.ReadOptions{Format: columns.FormatNDJSON, Want: want, Strict: want == nil})
	if err != nil {
		return nil, err
	}
	// Cells of CSV are texts in the retried records too, and mean what they meant in the file.
	isText := s.export.Format == flows.CSV
	comma := isText && s.export.CSV != nil && s.export.CSV.Separator != "" && s.export.CSV.Separator != ","
	return &engine.Stream{Reader: r, Typed: !isText, DecimalComma: comma}, nil
}

// retriesAtOnce is how many records are in memory at a time.
const retriesAtOnce = 32

// retriedRecords reads records as NDJSON, some at a time.
type retriedRecords struct {
	ctx     context.Context
	records flows.RetryStore
	token   flows.Token
	read    int64
	rest    []byte
}

// fill gets the next records; io.EOF behind the last.
func (p *retriedRecords) fill() error {
	list, err := p.records.RetryRecords(p.ctx, p.token, p.read, retriesAtOnce)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return io.EOF
	}
	var lines bytes.Buffer
	for _, record := range list {
		if err := json.Compact(&lines, record); err != nil {
			return fault.Wrap(err, fault.SourceRead, "a record that is retried is no JSON")
		}
		lines.WriteByte('\n')
	}
	p.read += int64(len(list))
	p.rest = lines.Bytes()
	return nil
}

// Read implements io.Reader.
func (p *retriedRecords) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if err := p.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// retyped gives inferred rules the columns of the table that stands: a few
// records say too little of their columns' types, and those that none of them
// has are still the table's.
func (t *standingTable) retyped(rules []flows.Rule) []flows.Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		r := &rules[i]
		at := t.column(r.To)
		if at == nil {
			continue
		}
		kind, known := poolKind(*at)
		given, ok := columns.ParseType(r.Type)
		if !known || ok && slices.Contains(poolTypes(given), at.Type) {
			continue
		}
		r.Type, r.Format, r.Length = kind, "", lengthIn(*at)
	}
	for _, at := range t.have {
		kind, known := poolKind(at)
		if known && at.Name != changeDate && !slices.ContainsFunc(rules, func(r flows.Rule) bool { return r.To == at.Name }) {
			rules = append(rules, flows.Rule{To: at.Name, Type: kind, Length: lengthIn(at)})
		}
	}
	return rules
}

// changeDate is the column that Celonis adds to every table by itself.
const changeDate = "_CELONIS_CHANGE_DATE"

// poolKind gives the type of a rule for a column of the table.
func poolKind(at celonis.TableColumn) (kind string, known bool) {
	kind, known = map[string]string{"STRING": "string", "INTEGER": "integer", "FLOAT": "float", "DATE": "datetime"}[at.Type]
	return kind, known
}

func lengthIn(at celonis.TableColumn) int {
	if at.Type != "STRING" {
		return 0
	}
	return min(max(at.Length, 1), columns.MaxStringBytes)
}
