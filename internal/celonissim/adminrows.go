package celonissim

import (
	"encoding/csv"
	"fmt"
	"net/http"
)

// defaultRows is how many rows a page of the admin API has unless it is asked for more.
const defaultRows = 100

// askedTable finds the table of a request, or answers 404.
func (s *Server) askedTable(w http.ResponseWriter, r *http.Request) (*Table, bool) {
	t, ok := s.TableOf(r.PathValue("pool"), r.URL.Query().Get("connection"), r.PathValue("table"))
	if !ok {
		writeText(w, http.StatusNotFound, "no such table\n")
	}
	return t, ok
}

func (s *Server) adminTable(w http.ResponseWriter, r *http.Request) {
	t, ok := s.askedTable(w, r)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, adminTable{
		Name: t.name, Connection: t.connection, Rows: t.snap.rows, Columns: t.snap.cols, BytesReceived: t.bytes, Jobs: t.jobs,
		CutValues: t.snap.cut, NulledInstants: t.snap.outside, Hash: fmt.Sprintf("%016x", t.Hash()),
	})
}

// askedRows is the part of a table that a request is for.
type askedRows struct {
	table *Table
	cols  []string
	rows  []int
}

// ask reads ?offset=&limit=&order=&changeDate=, or answers 400 or 404.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, limit int) (askedRows, bool) {
	t, ok := s.askedTable(w, r)
	if !ok {
		return askedRows{}, false
	}
	offset, offsetOK := queryInt(r, "offset", 0, 0)
	limit, limitOK := queryInt(r, "limit", limit, 0)
	order := r.URL.Query().Get("order")
	known := order == "" || order == ChangeDateColumn || t.snap.columnIndex(order) >= 0
	if !offsetOK || !limitOK || !known || s.opts.Keep != KeepValues {
		writeText(w, http.StatusBadRequest, "offset and limit must be whole numbers, order a column, and values must be kept\n")
		return askedRows{}, false
	}
	a := askedRows{table: t, cols: names(t.snap.cols)}
	if r.URL.Query().Get("changeDate") == "true" {
		a.cols = append(a.cols, ChangeDateColumn)
	}
	if order != "" {
		a.rows = window(t.Sorted(order), offset, limit)
		return a, true
	}
	for i := offset; i < t.Rows() && i-offset < limit; i++ {
		a.rows = append(a.rows, i)
	}
	return a, true
}

// adminRows answers rows as objects of canonical texts, null where there is no value.
func (s *Server) adminRows(w http.ResponseWriter, r *http.Request) {
	a, ok := s.ask(w, r, defaultRows)
	if !ok {
		return
	}
	rows := make([]map[string]*string, 0, len(a.rows))
	for _, i := range a.rows {
		row := make(map[string]*string, len(a.cols))
		for _, c := range a.cols {
			row[c] = nil
			if v, null := a.table.Value(c, i); !null {
				row[c] = &v
			}
		}
		rows = append(rows, row)
	}
	writeJSON(w, http.StatusOK, map[string]any{"total": a.table.Rows(), "columns": a.cols, "rows": rows})
}

// adminCSV answers all rows unless a limit is given; null and the empty
// string look the same in it.
func (s *Server) adminCSV(w http.ResponseWriter, r *http.Request) {
	a, ok := s.ask(w, r, int(^uint(0)>>1))
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := csv.NewWriter(w)
	defer out.Flush()
	if out.Write(a.cols) != nil {
		return
	}
	record := make([]string, len(a.cols))
	for _, i := range a.rows {
		for n, c := range a.cols {
			record[n], _ = a.table.Value(c, i)
		}
		if out.Write(record) != nil {
			return
		}
	}
}
