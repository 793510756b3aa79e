// Package picker lists what a connection can name in Celonis: the pools,
// tables, records and so on that a form offers. It knows what each list needs,
// how it is searched and paged, and how long it may be remembered; how Celonis
// is asked stands behind the port Source.
package picker

import (
	"context"
	"slices"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// Kind names a list.
type Kind string

// The lists, by where in Celonis their items live.
const (
	Pools           Kind = "pools"
	Tables          Kind = "tables"
	Columns         Kind = "columns"
	DataConnections Kind = "dataConnections"
	DataModels      Kind = "dataModels"
	DataJobs        Kind = "dataJobs"
	KnowledgeModels Kind = "knowledgeModels"
	Records         Kind = "records"
	Fields          Kind = "fields"
	Filters         Kind = "filters"
	KPIs            Kind = "kpis"
	Triggers        Kind = "triggers"
	MCPTools        Kind = "mcpTools"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		Pools, Tables, Columns, DataConnections, DataModels, DataJobs,
		KnowledgeModels, Records, Fields, Filters, KPIs, Triggers, MCPTools,
	}
}

// Query says which list is meant. Only the members that the kind takes may be set.
type Query struct {
	Kind Kind
	// Pool is a data pool's id; the connection's own when "".
	Pool string
	// Table is a table of the pool and Schema the database schema that it is in, "" for the pool's own.
	Table, Schema string
	// KnowledgeModel is <package key>.<knowledge model key>, Record a record's id in it.
	KnowledgeModel, Record string
	// Asset is the id of an MCP server asset.
	Asset string
}

// Option is an item of a list.
type Option struct {
	// Value is what a form stores, Label what it shows.
	Value       string
	Label       string
	Description string
	// Type is the item's type in Celonis's words, for example STRING for a column or VIEW for a table.
	Type string
	// Schema and DataConnection tell tables of the same name apart.
	Schema, DataConnection string
	// Length is a text column's size in characters, 0 when unknown.
	Length int
	// Format and Unit are those of a field or KPI.
	Format, Unit string
	// Record is the record that a trigger belongs to.
	Record string
}

// Source asks Celonis for a list, in any order. Its errors are faults.
type Source interface {
	Options(ctx context.Context, t connections.Target, q Query) ([]Option, error)
}

// Connections finds connections and opens them; *connections.Service is one.
type Connections interface {
	Get(ctx context.Context, workspace, id string) (*connections.Connection, error)
	Target(ctx context.Context, workspace, id string) (connections.Target, error)
}

var _ Connections = (*connections.Service)(nil)

// parameter is a member of Query by its name in the API.
type parameter struct {
	name string
	of   func(*Query) *string
}

var parameters = []parameter{
	{"pool", func(q *Query) *string { return &q.Pool }},
	{"table", func(q *Query) *string { return &q.Table }},
	{"schema", func(q *Query) *string { return &q.Schema }},
	{"knowledgeModel", func(q *Query) *string { return &q.KnowledgeModel }},
	{"record", func(q *Query) *string { return &q.Record }},
	{"asset", func(q *Query) *string { return &q.Asset }},
}

// need says what a kind takes: the parameters that it needs and those that it may have.
type need struct{ must, may []string }

var needs = map[Kind]need{
	Pools:           {},
	Tables:          {must: []string{"pool"}},
	Columns:         {must: []string{"pool", "table"}, may: []string{"schema"}},
	DataConnections: {must: []string{"pool"}},
	DataModels:      {must: []string{"pool"}},
	DataJobs:        {must: []string{"pool"}},
	KnowledgeModels: {},
	Records:         {must: []string{"knowledgeModel"}},
	Fields:          {must: []string{"knowledgeModel", "record"}},
	Filters:         {must: []string{"knowledgeModel"}},
	KPIs:            {must: []string{"knowledgeModel"}},
	Triggers:        {must: []string{"knowledgeModel"}},
	MCPTools:        {must: []string{"asset"}},
}

// Needs tells which parameters a kind must have; ok is false for a kind that there is not.
func Needs(k Kind) (must []string, ok bool) {
	n, ok := needs[k]
	return slices.Clone(n.must), ok
}

// maxParameter bounds a parameter, in bytes.
const maxParameter = 512

// check finds every fault of a query, once a pool that was left out has become the connection's.
func (q *Query) check() error {
	n := needs[q.Kind]
	var fields []fault.Field
	add := func(name string, code fault.Code, detail string) {
		fields = append(fields, fault.Field{Pointer: "/" + name, Code: code, Detail: detail})
	}
	for _, p := range parameters {
		value := *p.of(q)
		must, may := slices.Contains(n.must, p.name), slices.Contains(n.may, p.name)
		switch {
		case must && value == "":
			add(p.name, fault.RequestFieldMissing, "must be given for "+string(q.Kind))
		case value != "" && !must && !may:
			add(p.name, fault.RequestFieldInvalid, "does not narrow "+string(q.Kind))
		case len(value) > maxParameter:
			add(p.name, fault.RequestFieldInvalid, "is too long to name anything")
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return fault.New(fault.RequestInvalid, "the query for %s is not valid", q.Kind).WithFields(fields...)
}
