package sqlsource_test

import (
	"testing"

	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

func TestSQLServerServer(t *testing.T) {
	t.Skip("SQL Server is in no package source of the test machines: what needs a server is not tested with it")
}

func TestSQLServerConfig(t *testing.T) {
	t.Parallel()
	target := sqlsource.Target{
		Dialect: query.SQLServer, Host: "db.example.com:1444", Database: "Sales & more", Username: `do;main\user@x`, Password: crypto.NewSecret("p;w=d&{}%41 /"), TLS: sqlsource.TLSVerify,
	}
	for mode, encryption := range map[string]int{sqlsource.TLSVerify: msdsn.EncryptionRequired, sqlsource.TLSRequire: msdsn.EncryptionRequired, sqlsource.TLSOff: msdsn.EncryptionDisabled} {
		target.TLS = mode
		c, err := sqlsource.SQLServerConfig(target)
		require.NoError(t, err)
		require.Equal(t, "db.example.com", c.Host)
		require.EqualValues(t, 1444, c.Port)
		require.Equal(t, []string{"Sales & more", `do;main\user@x`, "p;w=d&{}%41 /"}, []string{c.Database, c.User, c.Password})
		require.True(t, c.ReadOnlyIntent)
		require.EqualValues(t, encryption, c.Encryption)
		require.Equal(t, []string{"tcp"}, c.Protocols)
		if mode != sqlsource.TLSOff {
			require.Equal(t, mode == sqlsource.TLSRequire, c.TLSConfig.InsecureSkipVerify)
			require.Equal(t, "db.example.com", c.TLSConfig.ServerName)
		}
	}
}

func TestSQLServerStatements(t *testing.T) {
	t.Parallel()
	text, values, err := sqlsource.StatementOf(query.SQLServer, sqlsource.Request{Query: "SELECT a FROM t WHERE a > {{watermark}} OR a = {{watermark}}", From: "7"})
	require.NoError(t, err)
	require.Equal(t, "SELECT a FROM t WHERE a > @watermark OR a = @watermark", text)
	require.Equal(t, []any{"watermark=7"}, values)

	text, values, err = sqlsource.StatementOf(query.SQLServer, sqlsource.Request{Query: "SELECT [a]]b] FROM t", Watch: "a]b", From: "2024-01-01T00:00:00+02:00"})
	require.NoError(t, err)
	require.Equal(t, "SELECT * FROM (SELECT [a]]b] FROM t\n) AS q WHERE q.[a]]b] > @bound0", text)
	require.Equal(t, []any{`bound0="2023-12-31T22:00:00Z"`}, values)

	_, _, err = sqlsource.StatementOf(query.SQLServer, sqlsource.Request{Query: "WITH x AS (SELECT 1 AS a) SELECT a FROM x", PartitionBy: "a"})
	require.Equal(t, fault.SourceQuery, fault.CodeOf(err))
}
