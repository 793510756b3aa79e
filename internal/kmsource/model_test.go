package kmsource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/kmsource"
)

const key = "a key of the simulator"

// simModel asks a simulator in this process.
type simModel struct {
	sim    *celonissim.Server
	groups [][]string
}

func (m *simModel) Page(ctx context.Context, a kmsource.Ask) (*kmsource.Page, error) {
	order := append([]string(nil), a.Order...)
	if a.Descending {
		order[0] = "-" + order[0]
	}
	q := url.Values{"fields": {strings.Join(m.groups[a.Group], ",")}, "page": {strconv.Itoa(a.Page)}, "pageSize": {strconv.Itoa(a.Size)}, "filterExpr": a.Bounds}
	if len(order) > 0 {
		q.Set("sort", strings.Join(order, ","))
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/intelligence/api/knowledge-models/pkg.km/records/R/data?"+q.Encode(), nil)
	r.Header.Set("Authorization", "AppKey "+key)
	w := httptest.NewRecorder()
	m.sim.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fault.New(fault.CelonisRejected, "%s", w.Body)
	}
	var answer struct {
		PageSize int   `json:"pageSize"`
		Total    int64 `json:"total"`
		Content  struct {
			Headers []struct {
				ID, Type                          string
				Aggregation, Filterable, Sortable bool
			} `json:"headers"`
			Data []json.RawMessage `json:"data"`
		} `json:"content"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return nil, err
	}
	p := &kmsource.Page{Rows: answer.Content.Data, Size: answer.PageSize, Total: answer.Total}
	for _, h := range answer.Content.Headers {
		p.Columns = append(p.Columns, kmsource.Column{ID: h.ID, Type: h.Type, Aggregated: h.Aggregation, Filterable: h.Filterable, Sortable: h.Sortable})
	}
	return p, nil
}

// shape is a record of a model.
type shape struct {
	fields []celonissim.RecordField
	rows   celonissim.Rows
}

func model(s shape, change ...func(*celonissim.Options)) *simModel {
	o := celonissim.Options{
		Teams: []celonissim.Team{{
			Credentials:     []celonissim.Credential{{Name: "app", Kind: celonissim.AppKey, Key: key, Intelligence: true}},
			KnowledgeModels: []celonissim.KnowledgeModel{{ID: "pkg.km", Records: []celonissim.Record{{Described: celonissim.Described{ID: "R"}, Fields: s.fields, Rows: &s.rows}}}},
		}},
		Limits:      celonissim.Limits{PageSize: 5000, KnowledgePerDay: -1, KnowledgePerSecond: -1, KnowledgeAtOnce: -1},
		JournalSize: 1,
	}
	o.Answers.Knowledge.Totals = celonissim.TotalOfAll
	for _, c := range change {
		c(&o)
	}
	ids := make([]string, len(s.fields))
	for i, f := range s.fields {
		ids[i] = f.ID
	}
	return &simModel{sim: celonissim.New(o), groups: [][]string{ids}}
}

func field(id, kind string) celonissim.RecordField {
	return celonissim.RecordField{Described: celonissim.Described{ID: id, Name: id}, Type: kind}
}

// took keeps the rows that came.
type took struct {
	mu   sync.Mutex
	rows []string
	ids  []int32
}

func (t *took) Append(row []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.rows = append(t.rows, string(row))
		return nil
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(string(row), `{"ID":`), ",")
	n, err := strconv.Atoi(strings.TrimSuffix(id, "}"))
	if err == nil {
		t.ids[n]++
	}
	return err
}

func (t *took) part() (kmsource.Part, error) { return t, nil }

// stamp is a time so many seconds after the beginning of 2024, whose months have 28 days.
func stamp(seconds int) string {
	day := seconds / 86_400
	b := []byte("2024-01-01T00:00:00")
	for i, n := range [...]int{24 + day/336, 1 + day/28%12, 1 + day%28, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60} {
		at := 2 + 3*i
		b[at], b[at+1] = byte('0'+n/10), byte('0'+n%10)
	}
	return string(b)
}

func TestAMillionRowsBehindTheWall(t *testing.T) {
	const n = 1_000_000
	for name, at := range map[string]func(i int) any{
		"uniform": func(i int) any { return stamp(i * 30) },
		"skewed":  func(i int) any { return stamp(i / 100 * (i / 1000)) },
		"tied":    func(i int) any { return stamp(i / 30_000) },
		"nulls": func(i int) any {
			if i%250 == 0 {
				return nil
			}
			return stamp(i % 500_000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := model(shape{
				[]celonissim.RecordField{field("ID", "integer"), field("AT", "datetime")},
				celonissim.Rows{Count: n, Cell: func(i int, f string) any {
					if f == "ID" {
						return i * 7919 % n
					}
					return at(i)
				}},
			}, func(o *celonissim.Options) { o.Answers.Knowledge.WallRefused = name == "skewed" })
			out := &took{ids: make([]int32, n)}
			stats, err := kmsource.Read(t.Context(), kmsource.Plan{Model: m, SliceBy: "AT", Size: 5000, Part: out.part})
			require.NoError(t, err)
			for id, times := range out.ids {
				if times != 1 {
					t.Fatalf("row %d came %d times", id, times)
				}
			}
			require.EqualValues(t, n, stats.Rows)
			require.LessOrEqual(t, stats.Requests, stats.Forecast.Most)
			require.EqualValues(t, stats.Requests, m.sim.KnowledgeRequests())
			t.Logf("%d requests in %d slices, forecast %+v", stats.Requests, stats.Slices, stats.Forecast)
		})
	}
}

// Whatever the values are like: every row comes once, or the reading says that it cannot.
func TestEveryRowOnceOrARefusal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 400).Draw(t, "rows")
		wall := rapid.IntRange(5, 60).Draw(t, "wall")
		size := rapid.IntRange(1, 70).Draw(t, "size")
		kinds := []string{"string", "integer", "datetime", "float"}
		var fields []celonissim.RecordField
		values := map[string][]any{}
		for f := range rapid.IntRange(1, 3).Draw(t, "fields") {
			id, kind := fmt.Sprintf("F%d", f), rapid.SampledFrom(kinds).Draw(t, "kind")
			one := field(id, kind)
			one.NotFilterable, one.NotSortable = rapid.IntRange(0, 7).Draw(t, "nf") == 0, rapid.IntRange(0, 7).Draw(t, "ns") == 0
			fields = append(fields, one)
			distinct, nulls := rapid.IntRange(1, 500).Draw(t, "distinct"), rapid.IntRange(0, 4).Draw(t, "nulls")
			for range n {
				v := rapid.IntRange(0, distinct).Draw(t, "v")
				values[id] = append(values[id], cell(kind, v, nulls > 2 && v%nulls == 0))
			}
		}
		m := model(shape{fields, celonissim.Rows{Count: n, Cell: func(i int, f string) any { return values[f][i] }}}, func(o *celonissim.Options) {
			o.Limits.KnowledgeRows = wall
			o.Answers.Knowledge.NullsLast = rapid.Bool().Draw(t, "nullsLast")
			o.Answers.Knowledge.NullLiteral = rapid.Bool().Draw(t, "null")
			o.Answers.Knowledge.WallRefused = rapid.Bool().Draw(t, "refused")
			o.Answers.Knowledge.Totals = rapid.SampledFrom([]celonissim.Totals{celonissim.TotalOfPage, celonissim.TotalOfAll, celonissim.TotalWrong}).Draw(t, "totals")
		})
		out := &took{}
		_, err := kmsource.Read(context.Background(), kmsource.Plan{Model: m, Limit: wall, Size: size, Part: out.part})
		if err != nil {
			if !fault.Has(err, fault.SourceRowLimit) || n < wall {
				t.Fatalf("%v", err)
			}
			return
		}
		var want []string
		for i := range n {
			row := make([]string, len(fields))
			for j, f := range fields {
				text, _ := json.Marshal(values[f.ID][i])
				row[j] = fmt.Sprintf("%q:%s", f.ID, text)
			}
			want = append(want, "{"+strings.Join(row, ",")+"}")
		}
		sort.Strings(want)
		sort.Strings(out.rows)
		if !slicesEqual(want, out.rows) {
			t.Fatalf("%d rows came of %d", len(out.rows), n)
		}
	})
}

func slicesEqual(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func cell(kind string, v int, null bool) any {
	switch {
	case null:
		return nil
	case kind == "string":
		return []string{"it's ", "Ä (", "or ", "' eq '"}[v%4] + strconv.Itoa(v)
	case kind == "datetime":
		return stamp(v)
	case kind == "float":
		return float64(v) / 8
	}
	return v - 100
}

func numbers(n int, cells func(i int, f string) any) celonissim.Rows {
	return celonissim.Rows{Count: n, Cell: cells}
}

func TestWhatCannotBeSlicedIsRefused(t *testing.T) {
	t.Parallel()
	plain := numbers(6000, func(i int, f string) any {
		if f == "ID" {
			return i
		}
		return "same"
	})
	fixed := field("ID", "integer")
	fixed.NotSortable = true
	for name, c := range map[string]struct {
		fields  []celonissim.RecordField
		sliceBy string
		says    string
	}{
		"nothing to sort by":  {[]celonissim.RecordField{fixed}, "", "no field can slice"},
		"one value":           {[]celonissim.RecordField{fixed, field("KIND", "string")}, "", "KIND eq 'same'"},
		"a field that cannot": {[]celonissim.RecordField{fixed}, "ID", "cannot be sorted and filtered by"},
	} {
		out := &took{}
		_, err := kmsource.Read(t.Context(), kmsource.Plan{Model: model(shape{c.fields, plain}), SliceBy: c.sliceBy, Size: 5000, Part: out.part})
		require.True(t, fault.Has(err, fault.SourceRowLimit), name)
		require.ErrorContains(t, err, c.says, name)
		require.NotEmpty(t, fault.From(err).Hint)
	}
}

func TestAnOlderLimitIsNoSilentCut(t *testing.T) {
	t.Parallel()
	m := model(shape{[]celonissim.RecordField{field("ID", "integer")}, numbers(3210, func(i int, _ string) any { return i })},
		func(o *celonissim.Options) { o.Limits.KnowledgeRows, o.Limits.PageSize = 1000, 50 })
	out := &took{ids: make([]int32, 3210)}
	var told []int64
	expect := func(_ context.Context, f kmsource.Forecast) error { told = append(told, f.Expect); return nil }
	stats, err := kmsource.Read(t.Context(), kmsource.Plan{Model: m, Size: 5000, Part: out.part, Expect: expect})
	require.NoError(t, err)
	require.EqualValues(t, 3210, stats.Rows)
	require.NotContains(t, out.ids, int32(0))
	require.NotContains(t, out.ids, int32(2))
	require.Len(t, told, 2, "what is expected is told anew with the older limit")
	require.Greater(t, told[1], told[0])
	require.InDelta(t, stats.Requests, told[1], float64(stats.Requests)/4)
}

func TestWideRowsAreJoined(t *testing.T) {
	t.Parallel()
	m := model(shape{[]celonissim.RecordField{field("ID", "integer"), field("A", "string"), field("B", "string")}, numbers(12_345, func(i int, f string) any {
		if f == "ID" {
			return i
		}
		return f + strconv.Itoa(i)
	})})
	m.groups = [][]string{{"ID", "A"}, {"ID", "B"}}
	out := &took{}
	stats, err := kmsource.Read(t.Context(), kmsource.Plan{Model: m, Groups: 2, Keys: []string{"ID"}, Size: 500, Part: out.part})
	require.NoError(t, err)
	require.EqualValues(t, 12_345, stats.Rows)
	require.Contains(t, out.rows, `{"A":"A12344","B":"B12344","ID":12344}`)
	require.LessOrEqual(t, stats.Requests, stats.Forecast.Most)

	_, err = kmsource.Read(t.Context(), kmsource.Plan{Model: m, Groups: 2, Keys: []string{"NONE"}, Size: 500, Part: out.part})
	require.True(t, fault.Has(err, fault.SourceRowLimit), "%v", err)
	m = model(shape{[]celonissim.RecordField{field("ID", "integer"), field("A", "string")}, numbers(10, func(int, string) any { return 1 })})
	m.groups = [][]string{{"ID"}, {"ID", "A"}}
	_, err = kmsource.Read(t.Context(), kmsource.Plan{Model: m, Groups: 2, Keys: []string{"ID"}, Size: 500, Part: out.part})
	require.True(t, fault.Has(err, fault.SourceKey), "%v", err)
}

func TestTheForecastCanEndAReading(t *testing.T) {
	t.Parallel()
	m := model(shape{[]celonissim.RecordField{field("ID", "integer")}, numbers(60_000, func(i int, _ string) any { return i })})
	enough := errors.New("too many")
	_, err := kmsource.Read(t.Context(), kmsource.Plan{Model: m, Size: 5000, Part: (&took{}).part, Expect: func(_ context.Context, f kmsource.Forecast) error {
		require.Equal(t, kmsource.Foresee(60_000, 5000, 0, 1), f)
		return enough
	}})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 1, m.sim.KnowledgeRequests())
}
