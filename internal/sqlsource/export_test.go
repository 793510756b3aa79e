package sqlsource

import (
	"context"
	"database/sql"
	"time"

	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// ExecPastCheck runs SQL that no check has seen in a session as reads have it.
func ExecPastCheck(ctx context.Context, d *Databases, t Target, text string) error {
	s, err := d.openDialect(ctx, t, sessionOptions{timeout: time.Minute})
	if err != nil {
		return err
	}
	defer s.close()
	switch s := s.(type) {
	case *pgSession:
		return s.exec(ctx, text)
	case *standardSession:
		return s.exec(ctx, text)
	}
	return nil
}

// SQLServerConfig is how SQL Server is connected to.
func SQLServerConfig(t Target) (msdsn.Config, error) { return new(Databases).sqlServerConfig(t) }

// StatementOf gives a request's SQL and what is bound, as the dialect has it.
func StatementOf(d query.Dialect, r Request) (text string, values []any, err error) {
	w, err := r.writer(d)
	if err != nil {
		return "", nil, err
	}
	st := w.statement("", "")
	for _, v := range (&standardSession{dialect: d}).values(st) {
		if named, ok := v.(sql.NamedArg); ok {
			v = named.Name + "=" + inJSON(named.Value)
		}
		values = append(values, v)
	}
	return st.sql, values, nil
}

func inJSON(v any) string { return string(appendValue(nil, v)) }

// EncodeSQLServer appends a value of a column of SQL Server.
func EncodeSQLServer(databaseType string, value any) string {
	return string(sqlServerEncoder(databaseType)(nil, value))
}

// AppendString is appendString.
func AppendString(s string) string { return string(appendString(nil, s)) }

// AppendArray is pgArray of texts.
func AppendArray(s string) string {
	return string(pgArray(nil, []byte(s), func(dst, s []byte) []byte { return appendString(dst, s) }))
}
