package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// faultOf gives an error in the words of a stage.
func faultOf(err error) flows.StageFault {
	f := fault.From(err)
	return flows.StageFault{Code: f.Code, Message: f.Message, Hint: f.Hint}
}

// faultsOf gives an error with one entry for each field that it speaks of.
func faultsOf(err error) []flows.StageFault {
	f := fault.From(err)
	if len(f.Fields) == 0 {
		return []flows.StageFault{faultOf(err)}
	}
	out := make([]flows.StageFault, len(f.Fields))
	for i, field := range f.Fields {
		out[i] = flows.StageFault{Code: field.Code, Message: field.Detail, Hint: f.Hint, Pointer: field.Pointer}
	}
	return out
}

// ofRecord gives a record's error; number counts records from 1.
func ofRecord(number int64, e flows.RecordError, expanded bool) flows.StageFault {
	f := flows.StageFault{Code: e.Code, Message: e.Message, Record: number, Line: e.Line, Field: e.Field}
	if e.Line > 0 {
		f.Offset = &e.Offset
	}
	if expanded {
		f.Element = e.Record + 1
	}
	return f
}

// shaping takes the faults of filter, expansion, lookups and mapping out of a
// refusal: they belong to stages. What is left is refused.
func shaping(err error) (flaws []fault.Field, rest error) {
	if !fault.Has(err, fault.RequestInvalid) {
		return nil, err
	}
	f := *fault.From(err)
	var others []fault.Field
	for _, field := range f.Fields {
		if stageOf(field.Pointer) == "" {
			others = append(others, field)
		} else {
			flaws = append(flaws, field)
		}
	}
	if len(others) == 0 && len(flaws) > 0 {
		return flaws, nil
	}
	return nil, err
}

// stageOf names the stage that a member of the flow belongs to, "" for none of those after reading.
func stageOf(pointer string) string {
	for _, p := range []string{"/filter", "/expand"} {
		if strings.HasPrefix(pointer, p) {
			return "filtered"
		}
	}
	for _, p := range []string{"/mapping", "/lookups", "/import/keys"} {
		if pointer == p || strings.HasPrefix(pointer, p+"/") {
			return "mapped"
		}
	}
	return ""
}

// raw shows the beginning of an answer.
func (a *attempt) raw(head []byte) {
	if len(head) > flows.MaxPreviewRaw {
		head, a.out.Raw.Truncated = head[:flows.MaxPreviewRaw], true
		for len(head) > 0 && !utf8.RuneStart(head[len(head)-1]) {
			head = head[:len(head)-1]
		}
		if n := len(head); n > 0 && !utf8.FullRune(head[n-1:]) {
			head = head[:n-1]
		}
	}
	a.out.Raw.Text = strings.ToValidUTF8(string(head), "\ufffd")
}

// showSource fills the stages up to the records.
func (a *attempt) showSource(ctx context.Context, l *engine.Looked) {
	p := a.out
	if a.out.Raw.Text == "" && len(l.Head) > 0 {
		a.raw(l.Head)
	}
	err := timedOut(ctx, l.ReadErr)
	if err != nil && !isParse(err) {
		p.Request.Fail(faultOf(err))
		p.Raw.OK = a.out.Raw.Text != ""
		if len(l.Records) == 0 {
			return
		}
	} else {
		p.Request.OK, p.Raw.OK = true, true
		p.Parsed.OK = err == nil
	}
	if err != nil && isParse(err) {
		p.Parsed.Fail(faultOf(err))
	}
	shown := 0
	for i, r := range l.Records {
		n := int64(i + 1)
		if r.Data == nil {
			for _, e := range r.Errors {
				p.Parsed.Fail(ofRecord(n, e, false))
			}
		}
		data := clipped(r.Data)
		if shown += len(data); shown > MaxAnswer {
			data = nil
		}
		p.Parsed.Records = append(p.Parsed.Records, flows.PreviewRecord{Record: n, Line: r.Line, Data: data})
	}
}

// isParse reports whether a fault is of what the source's answer says, not of getting it.
func isParse(err error) bool {
	switch fault.CodeOf(err) {
	case fault.SourceFormat, fault.SourceHeader, fault.SourceItemsPath, fault.SourceTruncated, fault.SourceEmpty, fault.SourceHTML,
		fault.SourceTooManyCols, fault.SourceEncoding, fault.SourceLineTooLong, fault.SourceUnsupported:
		return true
	}
	return false
}

// showRows fills what expansion, filter and mapping made of the records.
func (a *attempt) showRows(l *engine.Looked) {
	p := a.out
	if l.MapErr != nil {
		a.unmapped(l.MapErr)
		return
	}
	if l.Rows == nil {
		p.Filtered.OK, p.Mapped.OK = l.Empty != nil, l.Empty != nil
		return
	}
	p.Filtered.OK, p.Mapped.OK = true, true
	expanded := a.flow.Expand != ""
	for i, r := range l.Records {
		n := int64(i + 1)
		p.Filtered.Records += r.Seen
		p.Filtered.Dropped += r.Filtered
		p.Filtered.Of = append(p.Filtered.Of, flows.PreviewFate{Record: n, Expanded: r.Seen, Dropped: r.Filtered})
		for _, e := range r.Errors {
			if r.Data == nil {
				continue
			}
			if e.Code == fault.RecordExpand || e.Code == fault.RecordExpression && e.Field == "" {
				p.Filtered.Fail(ofRecord(n, e, expanded))
			} else {
				p.Mapped.Fail(ofRecord(n, e, expanded))
			}
		}
	}
	shown := 0
	for row := range l.Rows.Rows {
		values := renderRow(l.Rows, row)
		if shown += len(values); shown > MaxAnswer {
			break
		}
		p.Mapped.Rows = append(p.Mapped.Rows, flows.PreviewRow{Record: int64(l.Of[row] + 1), Superseded: row < len(l.Superseded) && l.Superseded[row], Values: values})
	}
}

// unmapped tells why the records could not be mapped, each reason at its stage.
func (a *attempt) unmapped(err error) {
	p := a.out
	p.Filtered.OK = true
	for _, f := range faultsOf(err) {
		if stageOf(f.Pointer) == "filtered" {
			p.Filtered.Fail(f)
		} else {
			p.Mapped.Fail(f)
		}
	}
}

// declare fills the table that would be declared.
func (a *attempt) declare(ctx context.Context, l *engine.Looked) {
	p := a.out
	if a.sinkErr != nil {
		p.Table.Fail(faultOf(a.sinkErr))
	}
	if l.Schema == nil {
		return
	}
	p.Table.OK = a.sinkErr == nil
	if d, ok := a.sink.(engine.Declarer); ok {
		table, err := d.Declare(ctx, l.Schema)
		p.Table.DeclaredTable = &table
		if err != nil {
			p.Table.Fail(faultOf(timedOut(ctx, err)))
		}
		return
	}
	p.Table.DeclaredTable = plainTable(a.flow.Import, l.Schema)
}

// plainTable is the table as it would be declared, when the destination cannot be looked at.
func plainTable(i flows.Import, schema columns.Schema) *flows.DeclaredTable {
	t := &flows.DeclaredTable{Table: i.Table, DataConnectionID: i.DataConnectionID, Mode: i.Mode, Keys: append([]string{}, i.Keys...), Differences: []string{}}
	for _, f := range schema {
		t.Columns = append(t.Columns, flows.DeclareColumn(f.Name, f.Type.String(), f.Length, i.Keys))
	}
	return t
}

// renderRow writes a row as a JSON object with every column, nulls too.
func renderRow(b *columns.Batch, row int) json.RawMessage {
	out := []byte{'{'}
	for i := range b.Columns {
		c := &b.Columns[i]
		if i > 0 {
			out = append(out, ',')
		}
		name, _ := json.Marshal(b.Schema[i].Name) // a string cannot fail
		out = append(append(out, name...), ':')
		text := columns.RenderValue(c, row, nil)
		switch {
		case !c.Valid[row]:
			out = append(out, "null"...)
		case c.Type == columns.Integer, c.Type == columns.Boolean, c.Type == columns.Float && json.Valid(text):
			out = append(out, text...)
		default:
			quoted, _ := json.Marshal(cut(string(text)))
			out = append(out, quoted...)
		}
	}
	return append(out, '}')
}

// cut shortens a text for the answer.
func cut(s string) string {
	if len(s) <= MaxValue {
		return s
	}
	return strings.ToValidUTF8(s[:MaxValue], "") + "..."
}

// clipped gives a record for the answer; one that is too large is left out.
func clipped(data []byte) json.RawMessage {
	if len(data) == 0 || len(data) > MaxAnswer/8 {
		return nil
	}
	return json.RawMessage(bytes.Clone(data))
}
