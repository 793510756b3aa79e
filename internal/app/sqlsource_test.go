package app_test

import (
	"database/sql"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/testservers"
)

// exec runs statements in a database of a test.
func exec(t testing.TB, driver, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	for _, text := range statements {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err, text)
	}
}

// sqlConnection makes a connection of type sql and gives its id.
func (s *service) sqlConnection(members map[string]any) (id string) {
	s.t.Helper()
	body := map[string]any{"apiType": "sql", "name": "database " + members["database"].(string), "tls": "off"}
	for k, v := range members {
		body[k] = v
	}
	var made struct{ ID, Status string }
	s.Call(http.StatusCreated, "POST", "/v1/connections", body, &made)
	require.Equal(s.t, "online", made.Status)
	return made.ID
}

func sqlFlow(table, from, to, query string, export, imports map[string]any) map[string]any {
	spec := map[string]any{
		"name": "flow to " + table, "export": map[string]any{"type": "sql", "connectionId": from, "query": query},
		"import": map[string]any{"type": "dataPush", "connectionId": to, "table": table},
	}
	for k, v := range export {
		part(spec, "export")[k] = v
	}
	for k, v := range imports {
		part(spec, "import")[k] = v
	}
	return spec
}

func TestPostgreSQLIntoATable(t *testing.T) {
	t.Parallel()
	dsn := testservers.PostgreSQL(t)
	exec(t, "pgx", dsn, "CREATE TABLE orders (id bigint PRIMARY KEY, customer text, amount numeric(12,2), changed_at timestamptz)",
		"INSERT INTO orders SELECT i, 'customer ' || i % 10, i / 4.0, to_timestamp(1704067200 + i) FROM generate_series(1, 3000) i")
	address, err := url.Parse(dsn)
	require.NoError(t, err)
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL, "tcp://"+address.Host))
	pool := s.Connect("pool", sim)
	database := s.sqlConnection(map[string]any{
		"dialect": "postgres", "host": address.Host, "database": address.Path[1:], "username": address.User.Username(), "password": "password-of-the-database",
	})

	t.Run("all of it", func(t *testing.T) {
		s := s.on(t)
		run := s.Do(s.Flow(sqlFlow("ORDERS", database, pool, "SELECT id, customer, amount, changed_at FROM orders", map[string]any{"partitionBy": "id", "partitions": 3}, nil)))
		apptest.RequireWhole(t, run, 3000)
		table := sim.MustTable("ORDERS")
		require.Equal(t, 3000, table.Rows())
	})
	t.Run("what is new", func(t *testing.T) {
		s := s.on(t)
		flow := s.Flow(sqlFlow("CHANGES", database, pool, "SELECT id, customer, changed_at FROM orders WHERE changed_at > {{watermark}}",
			map[string]any{"delta": map[string]any{"mode": "delta", "field": "changed_at"}}, map[string]any{"mode": "delta", "keys": []string{"id"}}))
		apptest.RequireWhole(t, s.Do(flow), 3000)
		exec(t, "pgx", dsn, "INSERT INTO orders VALUES (3001, 'new', 1, '2024-06-01T00:00:00.123456Z')", "UPDATE orders SET customer = 'other', changed_at = '2024-05-01' WHERE id = 7")
		apptest.RequireWhole(t, s.Do(flow), 2)
		require.Equal(t, 3001, sim.MustTable("CHANGES").Rows())
		run := s.Do(flow)
		require.Equal(t, "succeeded", run.State)
		require.Zero(t, run.Ledger.Read)
	})
	t.Run("what is refused", func(t *testing.T) {
		s := s.on(t)
		for query, pointer := range map[string]string{
			"SELECT 1; DROP TABLE orders": "/export/query", "WITH x AS (DELETE FROM orders RETURNING id) SELECT id FROM x": "/export/query",
			"SELECT 'it\\'s'": "/export/query", "SELECT id FROM orders WHERE changed_at > {{watermark}}": "/export/delta/mode", "": "/export/query",
		} {
			p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", sqlFlow("REFUSED", database, pool, query, nil, nil))
			require.Len(t, p.Errors, 1, query)
			require.Equal(t, pointer, p.Errors[0].Pointer, query)
		}
		run := s.Do(s.Flow(sqlFlow("WRONG", database, pool, "SELECT id,\n  colour FROM orders", nil, nil)))
		require.Equal(t, "failed", run.State)
		require.Equal(t, "source.query", run.ErrorCode())
		require.Contains(t, run.Error.Message, "line 2, column 3")
		require.NotContains(t, s.log.String(), "password-of-the-database")
	})
}

func TestMariaDBIntoATable(t *testing.T) {
	t.Parallel()
	d := testservers.MariaDB(t)
	exec(t, "mysql", d.DSN(), "CREATE TABLE parts (id INT PRIMARY KEY, label VARCHAR(40))", "INSERT INTO parts VALUES (1, 'ünï'), (2, NULL)")
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL, "tcp://"+d.Host))
	pool := s.Connect("pool", sim)
	members := map[string]any{"dialect": "mysql", "host": d.Host, "database": d.Database, "username": d.Username, "password": d.Password}
	database := s.sqlConnection(members)
	flow := s.Flow(sqlFlow("PARTS", database, pool, "SELECT id, label FROM parts", nil, nil))
	apptest.RequireWhole(t, s.Do(flow), 2)

	// The password is changed in the database: the run waits for the connection, and nothing of the secret is told.
	exec(t, "mysql", d.DSN(), "SET PASSWORD = PASSWORD('another-password')")
	waiting := s.Await(s.Start(flow).ID, func(r apptest.Run) bool { return r.State == "waiting" || r.Ended() })
	require.Equal(t, "waiting", waiting.State)
	require.Equal(t, "connection.offline", waiting.ErrorCode())
	require.NotContains(t, s.log.String(), d.Password)
	var c struct{ Status string }
	s.Call(http.StatusOK, "GET", "/v1/connections/"+database, nil, &c)
	require.Equal(t, "offline", c.Status)
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+database, map[string]any{"password": "another-password"}, nil)
	apptest.RequireWhole(t, s.AwaitEnd(waiting.ID), 2)
}
