package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
)

// records collects posted records as NDJSON: one object a line, each line ended.
type records struct {
	ndjson []byte
	count  int64
	faults []fault.Field
	// base is where in the body the list of them is.
	base string
}

func (rs *records) refuse(pointer string, code fault.Code, detail string) {
	if len(rs.faults) < strictjson.MaxFaults {
		rs.faults = append(rs.faults, fault.Field{Pointer: pointer, Code: code, Detail: detail})
	}
}

// add takes a record that is JSON; line is said with a fault when it is not 0.
func (rs *records) add(record []byte, line int) {
	pointer := strictjson.Index(rs.base, int(rs.count))
	rs.count++
	if got := strictjson.KindOf(record); record[0] != '{' {
		detail := "must be an object, not " + got
		if line > 0 {
			detail = fmt.Sprintf("line %d: %s", line, detail)
		}
		rs.refuse(pointer, fault.RequestWrongType, detail)
		return
	}
	if bytes.ContainsAny(record, "\r\n") {
		// In JSON a line break can only stand between tokens, so what Compact takes out means nothing.
		var b bytes.Buffer
		_ = json.Compact(&b, record) // the record is JSON
		record = b.Bytes()
	}
	rs.ndjson = append(append(rs.ndjson, record...), '\n')
}

// result gives the records; fault RequestInvalid tells every one that is no
// object, or that there is none at all.
func (rs *records) result() (ndjson []byte, count int64, err error) {
	if len(rs.faults) > 0 {
		return nil, 0, invalid(rs.faults)
	}
	if rs.count == 0 {
		return nil, 0, fault.New(fault.RequestInvalid, "the body holds no record")
	}
	return rs.ndjson, rs.count, nil
}

// recordsOfArray reads a JSON array of objects. Faults: RequestMalformed, RequestInvalid.
func recordsOfArray(body []byte) (ndjson []byte, count int64, err error) {
	if isBlank(body) {
		return nil, 0, fault.New(fault.RequestMalformed, "the body is empty")
	}
	if err := strictjson.Check(body); err != nil {
		return nil, 0, err
	}
	rs := records{ndjson: make([]byte, 0, len(body)+1)}
	if kind := strictjson.KindOf(body); bytes.TrimLeft(body, " \t\r\n")[0] != '[' {
		rs.refuse("", fault.RequestWrongType, "must be an array of objects, not "+kind)
		return rs.result()
	}
	for record := range strictjson.Elements(body) {
		rs.add(record, 0)
	}
	return rs.result()
}

// recordsOfLines reads NDJSON; blank lines are skipped. Every line that is not
// a JSON object is told, with its number. Fault RequestInvalid.
func recordsOfLines(body []byte) (ndjson []byte, count int64, err error) {
	rs := records{ndjson: make([]byte, 0, len(body)+1)}
	number := 0
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		number++
		line = bytes.Trim(line, " \t\r")
		if len(line) == 0 {
			continue
		}
		if json.Valid(line) {
			rs.add(line, number)
			continue
		}
		detail := fault.From(strictjson.Check(line)).Message
		rs.refuse(strictjson.Index("", int(rs.count)), fault.RequestMalformed,
			fmt.Sprintf("line %d is not JSON: %s", number, bytes.TrimPrefix([]byte(detail), []byte("line 1, "))))
		rs.count++
	}
	return rs.result()
}
