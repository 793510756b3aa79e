package flows_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestMarksAreCompared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind flows.MarkType
		a, b string
		want int
	}{
		{flows.MarkTime, "2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z", 0},
		{flows.MarkTime, "2026-03-01", "2026-03-01T00:00:00.001Z", -1},
		{flows.MarkTime, "2026-03-01 10:00:00", "2026-03-01T09:00:00", 1},
		{flows.MarkTime, "2026-03-01T10:00:00+0100", "2026-03-01T09:00:00Z", 0},
		{flows.MarkInteger, "9", "10", -1},
		{flows.MarkInteger, "123456789012345678901234567890", "123456789012345678901234567889", 1},
		{flows.MarkInteger, "-1", "-2", 1},
		{flows.MarkText, "9", "10", 1},
	} {
		got, err := c.kind.Compare(c.a, c.b)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s %s", c.a, c.b)
	}
	for kind, bad := range map[flows.MarkType]string{flows.MarkTime: "yesterday", flows.MarkInteger: "1.5"} {
		require.ErrorContains(t, kind.Check(bad), bad)
	}
	require.NoError(t, flows.MarkText.Check("anything"))
}

func TestLag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind            flows.MarkType
		mark, lag, want string
	}{
		{flows.MarkTime, "2026-03-01T10:00:00Z", "", "2026-03-01T10:00:00Z"},
		{flows.MarkTime, "2026-03-01T10:00:00Z", "PT5M", "2026-03-01T09:55:00Z"},
		{flows.MarkTime, "2026-03-01T10:00:00Z", "5m", "2026-03-01T09:55:00Z"},
		{flows.MarkTime, "2026-03-01T10:00:00.9+02:00", "P1DT1H", "2026-02-28T09:00:00+02:00"},
		{flows.MarkTime, "2026-03-01", "P1W", "2026-02-22"},
		{flows.MarkTime, "2026-03-01 10:00:00", "90s", "2026-03-01 09:58:30"},
		{flows.MarkTime, "", "PT5M", ""},
		{flows.MarkInteger, "100", "30", "70"},
		{flows.MarkInteger, "9999999999999999999999", "1", "9999999999999999999998"},
	} {
		d := flows.DeltaSpec{Mode: flows.ReadDelta, Type: c.kind, Lag: c.lag}
		got, err := d.Before(c.mark)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

// deltaStore knows flows by their ids, and two connections.
type deltaStore struct {
	flows.FlowStore
	known map[string]*flows.Flow
}

func (s deltaStore) service() *flows.Service {
	return flows.NewService(flows.Deps{
		Flows: s, Files: formStore{}, Connections: s, CheckMapping: func(flows.Spec) []fault.Field { return nil }, Now: time.Now, NewID: func() string { return "new" },
	})
}

func (s deltaStore) Flow(_ context.Context, _, id string) (*flows.Flow, error) {
	if f := s.known[id]; f != nil {
		copied := *f
		return &copied, nil
	}
	return nil, fault.New(fault.FlowNotFound, "there is no flow %q", id)
}

func (s deltaStore) UpdateFlow(_ context.Context, f *flows.Flow) error { s.known[f.ID] = f; return nil }

func (deltaStore) Connection(_ context.Context, _, id string) (*connections.Connection, error) {
	if id == "http" {
		return &connections.Connection{APIType: connections.HTTP}, nil
	}
	return &connections.Connection{APIType: connections.DataPush}, nil
}

// pointersOf lists the places that a fault names.
func pointersOf(err error) (list []string) {
	if err == nil {
		return nil
	}
	for _, f := range fault.From(err).Fields {
		list = append(list, f.Pointer)
	}
	return list
}

func following(behind string, kind flows.MarkType) flows.Spec {
	return flows.Spec{
		Name:   "N",
		Export: flows.Export{Type: flows.ExportHTTP, ConnectionID: "http", Delta: &flows.DeltaSpec{Mode: flows.ReadDelta, Field: "at", Type: kind, Behind: behind}},
		Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: "c", Table: "T", Mode: flows.Delta, Keys: []string{"A"}},
	}
}

// TestFlowsDoNotKeepBehindThemselves: neither at once nor by way of others.
func TestFlowsDoNotKeepBehindThemselves(t *testing.T) {
	t.Parallel()
	all := func(s flows.Spec) flows.Spec { s.Export.Delta = &flows.DeltaSpec{Mode: flows.ReadAll}; return s }
	s := deltaStore{known: map[string]*flows.Flow{
		"a": {ID: "a", Spec: following("", flows.MarkTime)}, "b": {ID: "b", Spec: following("a", flows.MarkTime)}, "c": {ID: "c", Spec: following("b", flows.MarkTime)},
		"n": {ID: "n", Spec: following("", flows.MarkInteger)}, "e": {ID: "e", Spec: all(following("", flows.MarkTime))},
	}}
	for _, c := range []struct {
		id, behind string
		good       bool
	}{{"new", "c", true}, {"c", "a", true}, {"a", "a", false}, {"a", "b", false}, {"a", "c", false}, {"a", "n", false}, {"a", "e", false}, {"a", "nobody", false}} {
		spec := following(c.behind, flows.MarkTime)
		var err error
		if c.id == "new" {
			_, err = s.service().Check(t.Context(), "w", spec)
		} else {
			_, err = s.service().Update(t.Context(), "w", c.id, spec, 0)
		}
		if c.good {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, []string{"/export/delta/behind"}, pointersOf(err), "%s behind %s", c.id, c.behind)
	}
}

// TestDeltaAndReplaceContradict: what is new would be all that is left of the table.
func TestDeltaAndReplaceContradict(t *testing.T) {
	t.Parallel()
	spec := following("", flows.MarkTime)
	spec.Import.Mode = flows.Replace
	_, err := deltaStore{}.service().Check(t.Context(), "w", spec)
	require.Equal(t, []string{"/export/delta/mode"}, pointersOf(err))
}

// TestHTTPExportIsChecked: what cannot be read is told when it is written, where it stands.
func TestHTTPExportIsChecked(t *testing.T) {
	t.Parallel()
	service := deltaStore{}.service()
	for name, c := range map[string]struct {
		export string
		wrong  []string
	}{
		"good":                  {`{"request":{"url":"a"}}`, nil},
		"no connection":         {`{"connectionId":""}`, []string{"/export/connectionId"}},
		"an unknown placehold":  {`{"request":{"url":"a/{{nope}}","headers":[{"name":"X-A","value":"{{"}]}}`, []string{"/export/request/url", "/export/request/headers/0/value"}},
		"a secret header":       {`{"request":{"headers":[{"name":"X-Api-Key","value":"x"}]}}`, []string{"/export/request/headers/0/name"}},
		"a secret parameter":    {`{"request":{"query":[{"name":"api_key","value":"x"}]}}`, []string{"/export/request/query/0/name"}},
		"a body of GET":         {`{"request":{"body":"{}"}}`, []string{"/export/request/body"}},
		"a body that is none":   {`{"request":{"method":"POST","body":"{\"a\":}"}}`, []string{"/export/request/body"}},
		"a body with places":    {`{"paging":{"type":"body"},"request":{"method":"POST","body":"{\"a\":{{page}},\"b\":\"{{page}}\"}"}}`, nil},
		"no pointer":            {`{"itemsPath":"data"}`, []string{"/export/itemsPath"}},
		"a page without paging": {`{"request":{"url":"a?p={{page}}"}}`, []string{"/export/paging"}},
		"nothing carries":       {`{"paging":{"type":"page"}}`, []string{"/export/paging/pageParam"}},
		"no token":              {`{"paging":{"type":"token","tokenParam":"t"}}`, []string{"/export/paging/tokenPath"}},
		"of another type":       {`{"paging":{"type":"link","tokenPath":"/t"}}`, []string{"/export/paging/tokenPath"}},
		"no next URL":           {`{"paging":{"type":"nextUrl"}}`, []string{"/export/paging/nextUrlPath"}},
		"a size without one":    {`{"paging":{"type":"link","sizeParam":"n"}}`, []string{"/export/paging/pageSize"}},
		"a foreign member":      {`{"fileId":"f"}`, []string{"/export/fileId"}},
		"delta":                 {`{"delta":{"mode":"delta","field":"at","start":"2026-01-01","lag":"PT5M"}}`, nil},
		"delta of nothing":      {`{"delta":{"mode":"delta"}}`, []string{"/export/delta/field"}},
		"delta by its request":  {`{"delta":{"mode":"delta"},"request":{"query":[{"name":"s","value":"{{watermark}}"}]}}`, nil},
		"no start":              {`{"delta":{"mode":"delta"},"request":{"url":"a/{{watermark}}"}}`, []string{"/export/delta/start"}},
		"wrong values":          {`{"delta":{"mode":"delta","field":"id","type":"integer","start":"x","lag":"5m"}}`, []string{"/export/delta/start", "/export/delta/lag"}},
		"once with a start":     {`{"delta":{"mode":"once","start":"2026-01-01"}}`, []string{"/export/delta/start"}},
		"behind nobody":         {`{"delta":{"mode":"delta","field":"at","behind":"nobody"}}`, []string{"/export/delta/behind"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spec flows.Spec
			require.NoError(t, json.Unmarshal([]byte(`{"name":"N","import":{"type":"dataPush","connectionId":"c","table":"T","mode":"delta","keys":["A"]}}`), &spec))
			spec.Export = flows.Export{Type: flows.ExportHTTP, ConnectionID: "http"}
			require.NoError(t, json.Unmarshal([]byte(c.export), &spec.Export))
			_, err := service.Check(t.Context(), "w", spec)
			require.ElementsMatch(t, c.wrong, pointersOf(err), "%v", err)
		})
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"", "a", "{{page}}", "x{{ token }}y{{page}}", "{{", "}}", "{{nope}}", "{{{{page}}}}", "{ {page}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := flows.ParseTemplate(text)
		if err != nil {
			return
		}
		echo := parsed.Fill(map[flows.Placeholder]string{}, func(string, string) string { return "" })
		require.LessOrEqual(t, len(echo), len(text))
		if !parsed.Uses(flows.Placeholders()...) {
			require.Equal(t, text, echo)
		}
	})
}

func FuzzMarks(f *testing.F) {
	for _, text := range []string{"2026-03-01T10:00:00Z", "2026-03-01", "12", "-0", "", "9999999999999999999999"} {
		f.Add(text, "PT5M")
	}
	f.Fuzz(func(t *testing.T, mark, lag string) {
		for _, kind := range []flows.MarkType{flows.MarkTime, flows.MarkInteger} {
			d := flows.DeltaSpec{Mode: flows.ReadDelta, Type: kind, Lag: lag}
			before, err := d.Before(mark)
			if err != nil || before == "" || lag == "" {
				continue
			}
			require.NoError(t, kind.Check(before))
		}
	})
}
