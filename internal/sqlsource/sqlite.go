package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// openSQLite opens a file that must be there, for reading only.
func openSQLite(ctx context.Context, t Target) (*standardSession, error) {
	info, err := os.Stat(t.Database)
	switch {
	case errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular():
		return nil, fault.New(fault.SourceNotFound, "there is no database file %q", filepath.Base(t.Database))
	case err != nil:
		return nil, fault.Wrap(err, fault.SourceForbidden, "the database file %q cannot be opened", filepath.Base(t.Database))
	}
	settings := url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(10000)", "trusted_schema(0)"}}
	address := url.URL{Scheme: "file", Opaque: (&url.URL{Path: t.Database}).EscapedPath(), RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	s, err := connect(ctx, db, t.Dialect)
	if err != nil {
		return nil, err
	}
	s.plain = sqlitePlain
	if err := s.exec(ctx, "BEGIN"); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// renamed is how SQLite names a column whose name another column has.
var renamed = regexp.MustCompile(`^(.*):\d+$`)

// sqlitePlain takes the declared types from the columns, which the driver would
// make times of: texts must come as they are stored, since that is how they are compared.
func sqlitePlain(ctx context.Context, in querier, s statement) (statement, error) {
	args := (&standardSession{dialect: query.SQLite}).values(s)
	names, err := columnsOf(ctx, in, "SELECT * FROM ("+s.sql+"\n) LIMIT 0", args)
	if err != nil {
		return s, err
	}
	columns := make([]string, len(names))
	for i, name := range names {
		if m := renamed.FindStringSubmatch(name); m != nil && slices.Contains(names, m[1]) {
			return s, (&rows{}).begin([]string{m[1], m[1]})
		}
		quoted := quoteName(query.SQLite, name)
		columns[i] = "coalesce(p." + quoted + ", NULL) AS " + quoted
	}
	head := "SELECT " + strings.Join(columns, ", ") + " FROM ("
	s.sql, s.prefix = head+s.sql+"\n) AS p", s.prefix+len(head)
	return s, nil
}

func columnsOf(ctx context.Context, in querier, text string, args []any) ([]string, error) {
	found, err := in.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	names, err := found.Columns()
	return names, errors.Join(err, found.Err(), found.Close())
}
