package testservers_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/testservers"
)

const waitFor, every = 20 * time.Second, 20 * time.Millisecond

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	require.NoError(t, err)
	opts.MaxRetries = -1
	opts.ReadTimeout = 200 * time.Millisecond
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRedisServesAndEndsWithTheTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("OK", func(t *testing.T) {
		url = testservers.Redis(t)
		require.NoError(t, client(t, url).Set(t.Context(), "k", "v", 0).Err())
	})
	if url == "" {
		t.Skip("no redis-server")
	}
	require.Error(t, client(t, url).Ping(t.Context()).Err())
}

func TestRedisServerFaults(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedisServer(t)
	c := client(t, server.URL())
	set := func() { require.NoError(t, c.Set(t.Context(), "k", "v", 0).Err()) }
	absent := func() { require.ErrorIs(t, c.Get(t.Context(), "k").Err(), redis.Nil) }

	set()
	server.Flush()
	absent()

	set()
	server.Restart()
	require.Eventually(t, func() bool { return c.Ping(t.Context()).Err() == nil }, waitFor, every)
	absent()

	server.Pause()
	require.Eventually(t, func() bool { return c.Ping(t.Context()).Err() != nil }, waitFor, every)
	server.Resume()
	require.Eventually(t, func() bool { return c.Ping(t.Context()).Err() == nil }, waitFor, every)

	server.Kill()
	require.Error(t, c.Ping(t.Context()).Err())
	server.Restart()
	require.Eventually(t, func() bool { return c.Ping(t.Context()).Err() == nil }, waitFor, every)
}

func TestPostgreSQLGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	first, second := testservers.PostgreSQL(t), testservers.PostgreSQL(t)
	require.NotEqual(t, first, second)
	for _, dsn := range []string{first, second} {
		c, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		_, err = c.Exec(t.Context(), "CREATE TABLE t (id TEXT PRIMARY KEY)")
		require.NoError(t, err)
		require.NoError(t, c.Close(t.Context()))
	}
}

// TestServersDieWithTheProcess kills a test process that holds both servers
// and watches them go.
func TestServersDieWithTheProcess(t *testing.T) {
	const marker = "TESTSERVERS_CHILD"
	if os.Getenv(marker) == "1" {
		holdServers(t)
		return
	}
	t.Parallel()
	testservers.Redis(t) // skips where the binaries are not installed
	testservers.PostgreSQL(t)

	out, in, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestServersDieWithTheProcess$", "-test.v")
	child.Env = append(os.Environ(), marker+"=1")
	child.Stdout = in
	require.NoError(t, child.Start())
	require.NoError(t, in.Close())

	redisURL, dsn := readAddresses(t, out)
	require.NoError(t, client(t, redisURL).Ping(t.Context()).Err())
	require.NoError(t, connects(t.Context(), dsn))

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Eventually(t, func() bool { return client(t, redisURL).Ping(t.Context()).Err() != nil }, waitFor, every)
	require.Eventually(t, func() bool { return connects(t.Context(), dsn) != nil }, waitFor, every)
}

func holdServers(t *testing.T) {
	t.Logf("addresses %s %s .", testservers.Redis(t), testservers.PostgreSQL(t))
	<-t.Context().Done()
}

func readAddresses(t *testing.T, out *os.File) (redisURL, dsn string) {
	t.Helper()
	require.NoError(t, out.SetReadDeadline(time.Now().Add(waitFor)))
	var text strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		text.Write(buf[:n])
		if _, rest, ok := strings.Cut(text.String(), "addresses "); ok && strings.Contains(rest, " .") {
			fields := strings.Fields(rest)
			return fields[0], fields[1]
		}
		require.NoError(t, err, text.String())
	}
}

func connects(ctx context.Context, dsn string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

func TestPostgreSQLServerDiesAndComesBack(t *testing.T) {
	t.Parallel()
	s := testservers.NewPostgreSQLServer(t)
	c, err := pgx.Connect(t.Context(), s.DSN())
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
	require.NoError(t, err)
	s.Kill()
	require.Error(t, connects(t.Context(), s.DSN()))
	require.Error(t, c.Ping(t.Context()))
	s.Restart()
	c, err = pgx.Connect(t.Context(), s.DSN())
	require.NoError(t, err)
	defer c.Close(t.Context())
	var n int
	require.NoError(t, c.QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n))
	require.Equal(t, 1, n)
}

func TestMariaDBIsFreshForEachTest(t *testing.T) {
	t.Parallel()
	for range 2 {
		d := testservers.MariaDB(t)
		db, err := sql.Open("mysql", d.DSN())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "CREATE TABLE t (n int)")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
}
