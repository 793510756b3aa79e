package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections/picker"
	"github.com/celonis-connector/connector/internal/fault"
)

// fakeOptions lists the pools of the one connection and notes what it was asked.
type fakeOptions struct {
	asked []picker.Ask
	list  func(picker.Ask) (picker.Page, error)
}

func (f *fakeOptions) Options(_ context.Context, a picker.Ask) (picker.Page, error) {
	if err := none(fault.ConnectionNotFound, a.Connection, connectionID); err != nil {
		return picker.Page{}, err
	}
	f.asked = append(f.asked, a)
	if f.list != nil {
		return f.list(a)
	}
	return picker.Page{Items: []picker.Option{{Value: "p1", Label: "Pool"}}, Next: "more"}, nil
}

const optionsPath = "GET /v1/connections/" + connectionID + "/options/"

func TestOptions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.JSONEq(t, `{"items":[{"value":"p1","label":"Pool"}],"next":"more"}`, s.ask(optionsPath+"pools", "").body)
	s.ask(optionsPath+"columns?q=Ab&limit=7&cursor=c&fresh=true&pool=p&table=t&schema=s&knowledgeModel=k&record=r", "")
	require.Equal(t, []picker.Ask{
		{Workspace: "default", Connection: connectionID, Query: picker.Query{Kind: picker.Pools}, Limit: 50},
		{Workspace: "default", Connection: connectionID, Search: "Ab", Limit: 7, Cursor: "c", Fresh: true,
			Query: picker.Query{Kind: picker.Columns, Pool: "p", Table: "t", Schema: "s", KnowledgeModel: "k", Record: "r"}},
	}, s.options.asked)

	s.options.list = func(picker.Ask) (picker.Page, error) {
		return picker.Page{Items: []picker.Option{{Value: "v", Label: "l", Description: "d", Type: "STRING", Schema: "s",
			DataConnection: "dc", Length: 80, Format: "f", Unit: "EUR", Record: "r"}}}, nil
	}
	require.JSONEq(t, `{"items":[{"value":"v","label":"l","description":"d","type":"STRING","schema":"s","dataConnectionId":"dc",
		"length":80,"format":"f","unit":"EUR","record":"r"}],"next":null}`, s.ask(optionsPath+"pools", "").body)
}

func TestOptionsTellOfCelonisInline(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.options.list = func(picker.Ask) (picker.Page, error) {
		return picker.Page{Error: fault.New(fault.CelonisForbidden, "the key may not").WithHint("grant it")}, nil
	}
	res := s.ask(optionsPath+"tables", "")
	require.Equal(t, http.StatusOK, res.status)
	require.JSONEq(t, `{"items":[],"next":null,"error":{"code":"celonis.forbidden","message":"the key may not","hint":"grant it"}}`, res.body)
}

func TestOptionsRefusals(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, query := range []string{"fresh=yes", "fresh=", "limit=0", "limit=201", "limit=x"} {
		s.ask(optionsPath+"pools?"+query, "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	}
	s.options.list = func(picker.Ask) (picker.Page, error) {
		return picker.Page{}, fault.New(fault.RequestInvalid, "no").WithFields(fault.Field{Pointer: "/pool", Code: fault.RequestFieldMissing, Detail: "must be given"})
	}
	s.ask(optionsPath+"tables", "").requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/pool")
}
