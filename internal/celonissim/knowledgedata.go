package celonissim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// KnowledgeAnswers chooses among the answers of requests for rows of knowledge
// models. The zero value is a server without faults.
type KnowledgeAnswers struct {
	// WallRefused answers 400 to pages behind Limits.KnowledgeRows, else they are empty.
	WallRefused bool
	// TextFlags writes the booleans of headers as texts, as one documented example does.
	TextFlags bool
	// DeepData nests data one level too deep, as another does.
	DeepData bool
	// Totals says what total counts; TotalOfPage is the default.
	Totals Totals
	// CutEvery cuts the body of each so-manieth page in the middle; 0 cuts none.
	CutEvery int
	// GoneAfter lets models be gone after so many pages; 0 never does.
	GoneAfter int
	// NullsLast sorts rows without a value last, else they come first.
	NullsLast bool
	// NullLiteral understands null in filter expressions.
	NullLiteral bool
}

// Totals is what the member total of a page counts.
type Totals string

const (
	// TotalOfPage counts the page's rows.
	TotalOfPage Totals = "page"
	// TotalOfAll counts all rows that match.
	TotalOfAll Totals = "all"
	// TotalWrong is a number that has nothing to do with them.
	TotalWrong Totals = "wrong"
)

// The error codes of requests for rows.
const (
	codeParameterMissing = "GENERAL_PARAMETER_MISSING"
	codeConstraint       = "GENERAL_CONSTRAINT_VIOLATION"
	codeSortUnknown      = "SORT_UNKNOWN_FIELD"
	codeSortOpposite     = "SORT_HAS_OPPOSITE"
	codeSortEmpty        = "SORT_IS_EMPTY"
)

const (
	maxDataFields = 200
	maxProjection = 2048
	maxURL        = 8192
)

// knowledgeState counts requests for rows and keeps what was made to find them.
type knowledgeState struct {
	mu      sync.Mutex
	indexes map[*Rows]*rowIndex
	day     time.Time
	used    int
	recent  []time.Time
	atOnce  int
	pages   int
}

// KnowledgeRequests is how many requests for rows of knowledge models were taken in this UTC day.
func (s *Server) KnowledgeRequests() int {
	s.knowledge.mu.Lock()
	defer s.knowledge.mu.Unlock()
	return s.knowledge.used
}

func (s *Server) rowIndex(rows *Rows) *rowIndex {
	k := &s.knowledge
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.indexes == nil {
		k.indexes = map[*Rows]*rowIndex{}
	}
	x := k.indexes[rows]
	if x == nil {
		x = newRowIndex(rows, s.opts.Answers.Knowledge.NullsLast)
		k.indexes[rows] = x
	}
	return x
}

func (s *Server) routeKnowledgeData(rt *router) {
	const models = "/intelligence/api/knowledge-models"
	read := func(h func(modelRequest)) guarded {
		allowed := func(c *Credential) bool { return c.Intelligence }
		return needs(APIIntelligence, allowed, s.limited(s.readModel(h)))
	}
	for _, method := range []string{"GET ", "POST "} {
		rt.handle("intelligence.data", method+models+"/{km}/records/{record}/data", read(s.recordData))
		rt.handle("intelligence.modelData", method+models+"/{km}/data", read(s.modelData))
	}
	s.routeOData(rt, read)
}

// limited keeps requests within the limits of the Intelligence API.
func (s *Server) limited(h guarded) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		state, leave := s.enterKnowledge()
		if !state.ok {
			setRateHeaders(w.Header(), s.opts.Answers.RateHeaders, state, s.now())
			writeProblem(w, problem{
				Title: "Rate limit exceeded", Status: http.StatusTooManyRequests, ErrorCode: codeRateExceeded,
				Detail: fmt.Sprintf("The limit INTELLIGENCE_API_RATE_LIMIT (%d %s) is exceeded. Try again after %s UTC.",
					state.limit, state.name, state.reset.UTC().Format(time.TimeOnly)),
			})
			return
		}
		defer leave()
		setRateHeaders(w.Header(), s.opts.Answers.RateHeaders, state, s.now())
		h(w, r, c)
	}
}

func (s *Server) enterKnowledge() (rateState, func()) {
	k, l, now := &s.knowledge, s.opts.Limits, s.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if day := now.UTC().Truncate(24 * time.Hour); !day.Equal(k.day) {
		k.day, k.used = day, 0
	}
	k.recent = slices.DeleteFunc(k.recent, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	state := rateState{limit: l.KnowledgePerDay, reset: k.day.Add(24 * time.Hour), name: "per day"}
	switch {
	case l.KnowledgePerDay > 0 && k.used >= l.KnowledgePerDay:
		return state, nil
	case l.KnowledgePerSecond > 0 && len(k.recent) >= l.KnowledgePerSecond:
		return rateState{limit: l.KnowledgePerSecond, reset: k.recent[0].Add(time.Second), name: "per second"}, nil
	case l.KnowledgeAtOnce > 0 && k.atOnce >= l.KnowledgeAtOnce:
		return rateState{limit: l.KnowledgeAtOnce, reset: now.Add(time.Second), name: "at once"}, nil
	}
	k.used++
	k.atOnce++
	if l.KnowledgePerSecond > 0 {
		k.recent = append(k.recent, now)
	}
	state.ok, state.remaining = true, max(l.KnowledgePerDay-k.used, 0)
	return state, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.atOnce--
	}
}

func (s *Server) recordData(r modelRequest) {
	for _, m := range r.model.Records {
		if m.ID == r.PathValue("record") {
			s.answerData(r, m, "")
			return
		}
	}
	writeNotFound(r.w, codeRecordUnknown, "The record was not found.")
}

// modelData answers rows by ids of the form record.field, with KPIs.
func (s *Server) modelData(r modelRequest) {
	if len(r.model.Records) == 0 {
		writeNotFound(r.w, codeRecordUnknown, "The model has no record.")
		return
	}
	m := r.model.Records[0]
	s.answerData(r, m, m.ID+".")
}

func (s *Server) answerData(r modelRequest, m Record, prefix string) {
	written := &writeWatch{ResponseWriter: r.w}
	r.w = written
	d, err := s.dataRequest(r)
	if written.done {
		return
	}
	var page *dataPage
	if err == nil {
		page, err = s.find(r.model, m, d, prefix)
	}
	if bad, ok := err.(badData); ok {
		writeBadParameter(r.w, bad.code, bad.detail)
		return
	}
	s.writePage(r, page)
}

// writeWatch knows whether an answer was begun.
type writeWatch struct {
	http.ResponseWriter
	done bool
}

// WriteHeader implements http.ResponseWriter.
func (w *writeWatch) WriteHeader(status int) {
	w.done = true
	w.ResponseWriter.WriteHeader(status)
}

// dataPage is a page of rows that were found.
type dataPage struct {
	dataRequest
	columns []dataColumn
	rows    [][]any
	total   int
}

type dataColumn struct {
	RecordField
	id  string
	kpi *KPI
}

func (s *Server) columns(m KnowledgeModel, record Record, d dataRequest, prefix string) (columns []dataColumn, byID map[string]RecordField, err error) {
	byID = map[string]RecordField{}
	for _, f := range record.Fields {
		byID[prefix+f.ID] = f
	}
	if len(d.fields)+len(d.kpis) == 0 || len(d.fields) == 0 && prefix == "" {
		return nil, nil, badData{codeParameterMissing, "The parameter fields is missing."}
	}
	if len(d.fields) > maxDataFields {
		return nil, nil, badData{codeConstraint, fmt.Sprintf("[fields] size must be between 1 and %d", maxDataFields)}
	}
	for _, id := range d.fields {
		f, ok := byID[id]
		if !ok {
			return nil, nil, badData{codeParameterIllegal, fmt.Sprintf("The field %s is unknown.", id)}
		}
		columns = append(columns, dataColumn{RecordField: f, id: id})
	}
	for _, id := range d.kpis {
		i := slices.IndexFunc(m.KPIs, func(k KPI) bool { return k.ID == id })
		if i < 0 {
			return nil, nil, badData{codeParameterIllegal, fmt.Sprintf("The KPI %s is unknown.", id)}
		}
		k := m.KPIs[i]
		columns = append(columns, dataColumn{RecordField: RecordField{Described: k.Described, Type: "float", Format: k.Format, Unit: k.Unit}, id: id, kpi: &k})
	}
	return columns, byID, nil
}

// find gives the page of rows that a request asks for.
func (s *Server) find(m KnowledgeModel, record Record, d dataRequest, prefix string) (*dataPage, error) {
	columns, byID, err := s.columns(m, record, d, prefix)
	if err != nil {
		return nil, err
	}
	condition, err := s.condition(m, d, byID, prefix)
	if err != nil {
		return nil, err
	}
	wall := s.opts.Limits.KnowledgeRows
	if wall > 0 && d.page*d.size >= wall && s.opts.Answers.Knowledge.WallRefused {
		return nil, badData{codeConstraint, fmt.Sprintf("[page] only the first %d rows can be read", wall)}
	}
	p := &dataPage{dataRequest: d, columns: columns}
	for _, id := range d.sort {
		name := strings.TrimPrefix(id, "-")
		i := slices.IndexFunc(columns, func(c dataColumn) bool { return c.id == name })
		if i < 0 || columns[i].NotSortable {
			return nil, badData{codeSortUnknown, fmt.Sprintf("The field %s cannot be sorted by.", name)}
		}
	}
	if record.Rows == nil {
		return p, nil
	}
	x := s.rowIndex(record.Rows)
	if d.distinct || len(d.kpis) > 0 {
		p.aggregate(x.find(condition, nil), record.Rows)
		p.rows = s.shown(p.rows, d)
		return p, nil
	}
	o := make(order, len(d.sort))
	for i, id := range d.sort {
		name, descending := strings.CutPrefix(id, "-")
		if o[i] = byID[name].ID; descending {
			o[i] = "-" + o[i]
		}
	}
	found := x.find(condition, o)
	p.total = len(found)
	for _, row := range window(found[:s.wall(len(found))], d.page*d.size, d.size) {
		p.rows = append(p.rows, p.cells(record.Rows, int(row)))
	}
	return p, nil
}

// wall is how many rows of so many can be seen.
func (s *Server) wall(n int) int {
	if wall := s.opts.Limits.KnowledgeRows; wall > 0 {
		return min(n, wall)
	}
	return n
}

func (s *Server) shown(rows [][]any, d dataRequest) [][]any {
	return window(rows[:s.wall(len(rows))], d.page*d.size, d.size)
}

func (p *dataPage) cells(rows *Rows, row int) []any {
	cells := make([]any, len(p.columns))
	for i, c := range p.columns {
		if c.kpi == nil {
			cells[i] = rows.Cell(row, c.ID)
		}
	}
	return cells
}

func (s *Server) condition(m KnowledgeModel, d dataRequest, byID map[string]RecordField, prefix string) (condition, error) {
	exprs := slices.Clone(d.exprs)
	for _, id := range d.filters {
		if !slices.ContainsFunc(m.Filters, func(f Described) bool { return f.ID == id }) {
			return condition{}, badData{codeParameterIllegal, fmt.Sprintf("The filter %s is unknown.", id)}
		}
		if e := m.FilterExprs[id]; e != "" {
			exprs = append(exprs, e)
		}
	}
	names := map[string]RecordField{}
	for id, f := range byID {
		names[id] = f
		if prefix != "" {
			names[f.ID] = f
		}
	}
	c, err := parseFilters(exprs, names, s.opts.Answers.Knowledge.NullLiteral)
	if err != nil {
		return c, badData{codeParameterIllegal, "filterExpr: " + err.Error()}
	}
	return c, nil
}

// aggregate makes one row of all that have the same fields, with the KPIs of these.
func (p *dataPage) aggregate(found []int32, rows *Rows) {
	at := map[string]int{}
	for _, row := range found {
		cells := p.cells(rows, int(row))
		key := fmt.Sprint(cells...)
		i, known := at[key]
		if !known {
			i = len(p.rows)
			at[key] = i
			p.rows = append(p.rows, cells)
		}
		for c, column := range p.columns {
			if column.kpi != nil {
				sum, _ := p.rows[i][c].(float64)
				p.rows[i][c] = sum + column.kpi.of(rows, int(row))
			}
		}
	}
	p.total = len(p.rows)
	slices.SortStableFunc(p.rows, func(a, b []any) int {
		for _, id := range p.sort {
			name, descending := strings.CutPrefix(id, "-")
			i := slices.IndexFunc(p.columns, func(c dataColumn) bool { return c.id == name })
			if order := compareValues(plainCell(a[i]), plainCell(b[i])); order != 0 {
				if descending {
					return -order
				}
				return order
			}
		}
		return 0
	})
}

func (k *KPI) of(rows *Rows, row int) float64 {
	if k.Sum == "" {
		return 1
	}
	n, _ := plainCell(rows.Cell(row, k.Sum)).(float64)
	return n
}
