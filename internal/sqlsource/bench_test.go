package sqlsource_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/sqlsource"
)

// count is a part that keeps nothing.
type count struct{ rows int }

// Append implements sqlsource.Part.
func (c *count) Append([]byte) error { c.rows++; return nil }

// BenchmarkRead compares a read with a loop of rows.Scan that makes nothing of what it reads.
func BenchmarkRead(b *testing.B) {
	const size = 200_000
	for name, open := range map[string]func(testing.TB) *engine{"postgres": newPostgreSQL, "mariadb": newMariaDB} {
		e := open(b)
		e.numbers(size)
		b.Run(name+"/json", func(b *testing.B) {
			for b.Loop() {
				c := &count{}
				_, err := databases().Read(b.Context(), e.target, sqlsource.Request{Query: "SELECT id, label, at FROM n"}, func() (sqlsource.Part, error) { return c, nil })
				require.NoError(b, err)
				require.Equal(b, size, c.rows)
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
		b.Run(name+"/scan", func(b *testing.B) {
			for b.Loop() {
				rows, err := e.db.QueryContext(b.Context(), "SELECT id, label, at FROM n")
				require.NoError(b, err)
				var id int64
				var label, at sql.NullString
				n := 0
				for rows.Next() {
					require.NoError(b, rows.Scan(&id, &label, &at))
					n++
				}
				require.NoError(b, rows.Err())
				require.Equal(b, size, n)
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
