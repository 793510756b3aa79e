package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// exportPage is how many errors are in memory at a time.
	exportPage = 50
	// exportPatience is how long a caller may take for a page.
	exportPatience = 60 * time.Second
	// exportRecords is the value of the parameter content that asks for records alone.
	exportRecords = "records"
)

// exportLine is a record with its reason.
type exportLine struct {
	Record json.RawMessage `json:"record"`
	Error  recordErrorView `json:"error"`
}

// exportRecordErrors streams errors as NDJSON, the newest first. With
// content=records the lines are the records as a retry would take them, which
// can be posted as they are; errors without such a record are left out.
func (a *api) exportRecordErrors(r *call) (reply, error) {
	q, err := r.errorQuery()
	if err != nil {
		return reply{}, err
	}
	content := r.query.Get("content")
	if r.query.Has("content") && content != exportRecords && content != "errors" {
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"content\" must be \"errors\" or %q", exportRecords)
	}
	q.Page.Limit = exportPage
	first, err := a.Errors.Errors(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, media: mediaNDJSON, stream: func(w http.ResponseWriter) error {
		return a.writeErrors(r, w, exporting{q, first, content == exportRecords})
	}}, nil
}

// exporting is how far an export is.
type exporting struct {
	query   flows.ErrorQuery
	page    []flows.RecordError
	records bool
}

func (a *api) writeErrors(r *call, w http.ResponseWriter, x exporting) (err error) {
	control := http.NewResponseController(w)
	for len(x.page) > 0 {
		// Writers that know no deadline, as those of tests, have none to move.
		_ = control.SetWriteDeadline(time.Now().Add(exportPatience))
		for i := range x.page {
			if err := writeExported(w, &x.page[i], x.records); err != nil {
				return err
			}
		}
		if len(x.page) < exportPage {
			return nil
		}
		x.query.Page.After = x.page[len(x.page)-1].ID
		if x.page, err = a.Errors.Errors(r.ctx(), x.query); err != nil {
			return err
		}
	}
	return nil
}

func writeExported(w io.Writer, e *flows.RecordError, records bool) error {
	if records {
		record := e.Current()
		if record == nil {
			return nil
		}
		_, err := w.Write(append(append(make([]byte, 0, len(record)+1), record...), '\n'))
		return err
	}
	line, err := encode(exportLine{Record: e.Current(), Error: viewRecordError(true)(e)})
	if err != nil {
		return err
	}
	_, err = w.Write(line)
	return err
}
