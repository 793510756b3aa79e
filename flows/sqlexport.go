package flows

import (
	"errors"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// ExportSQL reads a database through a connection of type sql.
const ExportSQL ExportType = "sql"

const (
	// DefaultQueryTimeout and MaxQueryTimeout bound a query, in seconds.
	DefaultQueryTimeout, MaxQueryTimeout = 30 * 60, 24 * 60 * 60
	// MaxPartitions is how many connections one run may read a database with at once.
	MaxPartitions = 8
)

// sqlDefaults fills what a caller left out.
func sqlDefaults(e Export) Export {
	switch {
	case e.Type == ExportSQL && e.QueryTimeout == 0:
		e.QueryTimeout = DefaultQueryTimeout
	case e.Type != ExportSQL && e.QueryTimeout == DefaultQueryTimeout:
		// What was filled in here does not stand in the way of another type.
		e.QueryTimeout = 0
	}
	return e
}

func checkSQLExport(e Export) (fields []fault.Field) {
	if e.ConnectionID == "" {
		fields = append(fields, missing("/export/connectionId", "must name a connection of type sql"))
	}
	if e.Partitions > 0 && e.PartitionBy == "" {
		fields = append(fields, missing("/export/partitionBy", "must name the column that shares the rows out"))
	}
	if strings.TrimSpace(e.Query) == "" {
		return append(fields, missing("/export/query", "must be one SELECT"))
	}
	q, err := query.ParseAny(e.Query)
	if err != nil {
		return append(fields, wrongQuery(err))
	}
	return append(fields, checkSQLDelta(e, q)...)
}

// wrongQuery says where a query is wrong, and what to do.
func wrongQuery(err error) fault.Field {
	detail := err.Error()
	var bad *query.Error
	if errors.As(err, &bad) && bad.Hint != "" {
		detail += "; " + bad.Hint
	}
	return fault.Field{Pointer: "/export/query", Code: fault.SourceQuery, Detail: detail}
}

// checkSQLDelta: a query with {{watermark}} needs a watermark, and a watermark a query or a column that it bounds.
func checkSQLDelta(e Export, q *query.Query) (fields []fault.Field) {
	asks := q.Uses(query.Watermark)
	if !e.Delta.Follows() {
		if asks || q.Uses(query.Until) {
			fields = append(fields, missing("/export/delta/mode", "must be delta, as the query asks for what lies behind a watermark"))
		}
		return fields
	}
	_, named := e.WatermarkColumn()
	switch {
	case e.Delta.Field == "" && !asks:
		fields = append(fields, missing("/export/delta/field", "must name a column of the query, as the query has no {{watermark}}"))
	case e.Delta.Field == "" && e.Delta.Kind() != MarkTime:
		fields = append(fields, missing("/export/delta/field", "must name a column of the query, as the watermark is no time"))
	case e.Delta.Field != "" && !named:
		fields = append(fields, invalid("/export/delta/field", "must be the name of a column, or a JSON Pointer of one step"))
	}
	return fields
}

// WatermarkColumn gives the column of the query that becomes the watermark; ok is false when there is none.
func (e Export) WatermarkColumn() (column string, ok bool) {
	if !e.Delta.Follows() || e.Delta.Field == "" {
		return "", false
	}
	name, isPointer := strings.CutPrefix(e.Delta.Field, "/")
	if !isPointer {
		return name, true
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name), name != "" && !strings.Contains(name, "/")
}

// checkDialect reads the query as the connection's database does.
func (e Export) checkDialect(c *connections.Connection) []fault.Field {
	if e.Type != ExportSQL || c.Outside == nil {
		return nil
	}
	dialect := query.Dialect(c.Outside.Dialect)
	q, err := query.Parse(dialect, e.Query)
	switch _, bounded := e.WatermarkColumn(); {
	case err != nil:
		if _, any := query.ParseAny(e.Query); any != nil {
			// The same has been said already.
			return nil
		}
		return []fault.Field{wrongQuery(err)}
	case dialect == query.SQLServer && q.IsWith() && e.PartitionBy != "":
		return []fault.Field{invalid("/export/partitionBy", "cannot be given for a query of SQL Server that begins with WITH")}
	case dialect == query.SQLServer && q.IsWith() && bounded && !q.Uses(query.Watermark):
		return []fault.Field{invalid("/export/query", "must hold {{watermark}}, as SQL Server cannot bound a query that begins with WITH")}
	}
	return nil
}

// sqlHints are those of an export of type sql.
func sqlHints() []form.Hint {
	isSQL := []form.When{form.Is("type", ExportSQL)}
	isQuery := []form.When{form.Is("type", ExportSQL, ExportPQL)}
	return []form.Hint{
		{
			Path: "/query", Label: "Query", ShowWhen: isQuery, Example: "SELECT id, customer, changed_at FROM orders WHERE changed_at > {{watermark}}",
			Help: "For a database one statement that reads: SELECT, WITH, TABLE or VALUES. {{watermark}} and {{until}} are bound as values. Each column needs a name of its own. For a data model a PQL query: TABLE(...) with a name AS for each column.",
		},
		{
			Path: "/partitionBy", Label: "Partition by", ShowWhen: isSQL, Example: "id",
			Help: "A column of the query whose values share the rows out over connections that read at once. Left out, one connection reads everything.",
		},
		{
			Path: "/partitions", Label: "Partitions", ShowWhen: isSQL, Example: 4,
			Help: "How many connections read at once. Left out: 4 with PostgreSQL, where they all see the same moment; 1 with other databases, where each would see a moment of its own.",
		},
		{
			Path: "/queryTimeout", Label: "Time limit in seconds", ShowWhen: isQuery, Default: DefaultQueryTimeout,
			Help: "How long the query may take.",
		},
	}
}

// sqlRules: a query belongs to an export of type sql and nothing else does to it.
func sqlRules() []form.Schema {
	strange := form.All(form.Without("query", "partitionBy"), form.Schema{"properties": form.Schema{
		"partitions": form.Schema{"const": 0}, "queryTimeout": form.Schema{"enum": []int{0, DefaultQueryTimeout}},
	}})
	rules := []form.Schema{form.If(map[string]any{"type": ExportSQL}, form.All(
		form.Need("connectionId", "query"), form.Without("fileId", "url", "prefix", "itemsPath"), form.Absent("gather", "format", "csv", "request", "paging"),
		form.Schema{"properties": form.Schema{"query": form.Schema{"pattern": `\S`}}},
		form.Schema{
			"if":   form.Schema{"properties": form.Schema{"partitions": form.Schema{"minimum": 1}}, "required": []string{"partitions"}},
			"then": form.Need("partitionBy"),
		},
	))}
	for _, t := range sortedExports() {
		if t != ExportSQL && t != ExportPQL {
			rules = append(rules, form.If(map[string]any{"type": t}, strange))
		}
	}
	return rules
}
