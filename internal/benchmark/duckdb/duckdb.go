package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/eventlog"
	_ "github.com/duckdb/duckdb-go/v2" // the driver "duckdb"
)

// duckDB is a database in memory, used for nothing but its COPY.
type duckDB struct {
	db      *sql.DB
	version string
}

func openDuckDB(ctx context.Context, threads int) (*duckDB, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	d := &duckDB{db: db}
	_, err = db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL threads = %d; SET GLOBAL preserve_insertion_order = true", threads))
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT version()").Scan(&d.version)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

func (d *duckDB) close() { _ = d.db.Close() }

// copy reads the file with the columns' types given and writes a Parquet file.
func (d *duckDB) copy(ctx context.Context, in input, target string) (time.Duration, error) {
	statement := fmt.Sprintf("COPY (SELECT * FROM %s) TO %s (FORMAT parquet, COMPRESSION snappy)", reader(in), literal(target))
	began := time.Now()
	res, err := d.db.ExecContext(ctx, statement)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if n, err := res.RowsAffected(); err != nil || n != int64(in.rows) {
		return 0, errors.Join(err, fmt.Errorf("DuckDB copied %d rows, the file has %d", n, in.rows))
	}
	return took, nil
}

// reader is the table function that reads the file; nothing is left to be found out.
func reader(in input) string {
	columns := columnTypes()
	if in.format == eventlog.CSV {
		return fmt.Sprintf(`read_csv(%s, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\n', columns = %s)`,
			literal(in.path), columns)
	}
	return fmt.Sprintf("read_json(%s, format = 'newline_delimited', columns = %s)", literal(in.path), columns)
}

// columnTypes is a struct literal of the log's columns.
func columnTypes() string {
	types := map[string]string{"integer": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN", "datetime": "TIMESTAMP"}
	var b strings.Builder
	for i, name := range eventlog.Columns() {
		if i > 0 {
			b.WriteString(", ")
		}
		kind, ok := types[eventlog.Type(name)]
		if !ok {
			kind = "VARCHAR"
		}
		fmt.Fprintf(&b, "%s: %s", literal(name), literal(kind))
	}
	return "{" + b.String() + "}"
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
