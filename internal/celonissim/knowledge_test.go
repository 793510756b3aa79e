package celonissim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

func described(id, name, words string) celonissim.Described {
	return celonissim.Described{ID: id, Name: name, Description: words}
}

func withKnowledge(o *celonissim.Options) {
	target := 12.5
	o.Teams[0].KnowledgeModels = []celonissim.KnowledgeModel{{
		ID: "pkg.km", Name: "KM", Published: "2025-02-03 04:05:06",
		Records: []celonissim.Record{{Described: described("ORDER", "Order", "An order"), Fields: []celonissim.RecordField{
			{Described: described("ID", "Order id", ""), Type: "string"},
			{Described: described("VALUE", "Value", "Net"), Type: "float", Format: ",.2f", Unit: "EUR"},
		}}},
		Filters:  []celonissim.Described{described("OPEN", "Open", "")},
		KPIs:     []celonissim.KPI{{Described: described("COUNT", "Orders", ""), Format: ",d", Direction: "INCREASING", Target: &target}},
		Triggers: []celonissim.Trigger{{ID: "LATE", Name: "Late", Record: "ORDER"}},
	}}
}

func TestKnowledgeModelParts(t *testing.T) {
	t.Parallel()
	s := start(t, withKnowledge)
	const km = "/intelligence/api/knowledge-models/pkg.km"
	for path, body := range map[string]string{
		"/intelligence/api/knowledge-models": `{"page":0,"pageSize":50,"total":1,"sort":"","content":[{"id":"pkg.km","name":"KM","published":"2025-02-03 04:05:06"}]}`,
		km:                                   `{"id":"pkg.km","name":"KM","extendedKMId":null}`,
		km + "/filters":                      `{"page":0,"pageSize":50,"total":1,"sort":"","content":[{"id":"OPEN","name":"Open","description":null}]}`,
		km + "/records?sort=-name": `{"page":0,"pageSize":50,"total":1,"sort":"-name","content":[
			{"id":"ORDER","name":"Order","description":"An order","shortDisplayName":null,"internalNote":null}]}`,
		km + "/records/ORDER": `{"id":"ORDER","name":"Order","description":"An order","shortDisplayName":null,"internalNote":null,"fields":[
			{"id":"ID","name":"Order id","description":null,"shortDisplayName":null,"internalNote":null,"type":"string","format":null,"unit":null},
			{"id":"VALUE","name":"Value","description":"Net","shortDisplayName":null,"internalNote":null,"type":"float","format":",.2f","unit":"EUR"}]}`,
		km + "/kpis": `{"page":0,"pageSize":50,"total":1,"sort":"","content":[
			{"id":"COUNT","name":"Orders","description":null,"format":",d","unit":null,"direction":"INCREASING","target":12.5,"parameters":[]}]}`,
		km + "/triggers": `{"page":0,"pageSize":50,"total":1,"sort":"","content":[{"id":"LATE","record":"ORDER","name":"Late"}]}`,
		km + "/triggers/LATE": `{"id":"LATE","name":"Late","fields":[{"name":"Order id","type":"string","format":null,"unit":null},
			{"name":"Value","type":"float","format":",.2f","unit":"EUR"}]}`,
	} {
		a := s.get(path)
		require.Equal(t, 200, a.status, path)
		require.JSONEq(t, body, a.body, path)
	}
	for path, code := range map[string]string{
		"/intelligence/api/knowledge-models/no.km/kpis":               "KM_MODEL_NOTFOUND",
		km + "/records/NONE":                                          "KM_RECORD_NOTFOUND",
		km + "/triggers/NONE":                                         "SUBSCRIPTION_TRIGGER_NOTFOUND",
		km + "/kpis?page=x":                                           "GENERAL_PARAMETER_MISSMATCH",
		km + "/kpis?page=-1":                                          "GENERAL_PARAMETER_ILLEGAL",
		"/intelligence/api/knowledge-models?pageSize=0":               "GENERAL_PARAMETER_ILLEGAL",
		"/intelligence/api/knowledge-models/pkg.km/filters?pageSize=": "",
	} {
		a := s.get(path)
		if code == "" {
			require.Equal(t, 200, a.status, path)
			continue
		}
		require.Equal(t, code, a.json(t)["errorCode"], path)
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	}
	s.auth = "AppKey " + weakKey
	require.Equal(t, 403, s.get(km+"/triggers").status)
}

func TestLargePages(t *testing.T) {
	t.Parallel()
	many := func(o *celonissim.Options) {
		withKnowledge(o)
		for i := range 120 {
			id := fmt.Sprintf("F%03d", i)
			o.Teams[0].KnowledgeModels[0].Filters = append(o.Teams[0].KnowledgeModels[0].Filters, described(id, id, ""))
		}
	}
	const filters = "/intelligence/api/knowledge-models/pkg.km/filters"
	s := start(t, many)
	page := s.get(filters + "?page=2&pageSize=500").json(t)
	require.EqualValues(t, 50, page["pageSize"], "capped, and said so")
	require.Len(t, page["content"], 21)
	refusing := start(t, many, func(o *celonissim.Options) {
		o.Limits.PageSize, o.Answers.LargePages = 100, celonissim.LargePagesRefused
	})
	require.Len(t, refusing.get(filters + "?pageSize=100").json(t)["content"], 100)
	require.Equal(t, "GENERAL_PARAMETER_ILLEGAL", refusing.get(filters + "?pageSize=101").json(t)["errorCode"])
}
