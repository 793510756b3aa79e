package testservers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const installRedis = "install redis-server (Debian: apt-get install redis-server, macOS: brew install redis)"

// Redis starts a redis-server for one test and gives its URL. It keeps nothing
// on disk and ends with the test. Without the binary the test is skipped, or
// fails when RequireEnv is set.
func Redis(t testing.TB) (url string) {
	t.Helper()
	return NewRedisServer(t).URL()
}

// RedisServer is a redis-server that a test can hurt. Its methods fail the
// test that started it when they cannot do what they say.
type RedisServer struct {
	t      testing.TB
	binary string
	dir    string
	port   int
	proc   *process
}

// NewRedisServer starts a redis-server like Redis does and gives a handle on it.
func NewRedisServer(t testing.TB) *RedisServer {
	t.Helper()
	binary, ok := findBinary("redis-server", "/usr/local/bin", "/usr/local/opt/redis/bin", "/opt/homebrew/bin")
	if !ok {
		missing(t, "redis-server", installRedis)
	}
	s := &RedisServer{t: t, binary: binary, dir: t.TempDir()}
	t.Cleanup(s.end)
	var err error
	for range startTries {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatalf("start redis-server: %v\n%s", err, tail(s.log()))
	return nil
}

// URL gives the server's redis:// address.
func (s *RedisServer) URL() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.port) }

// Kill ends the server at once (SIGKILL); its data is gone.
func (s *RedisServer) Kill() {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatal("redis-server is not running")
	}
	s.end()
}

// Restart ends the server if it runs and starts an empty one on the same port.
func (s *RedisServer) Restart() {
	s.t.Helper()
	s.end()
	if err := s.start(); err != nil {
		s.t.Fatalf("restart redis-server: %v\n%s", err, tail(s.log()))
	}
}

// Flush empties the server (FLUSHALL).
func (s *RedisServer) Flush() {
	s.t.Helper()
	err := s.with(func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() })
	if err != nil {
		s.t.Fatalf("flush redis-server: %v", err)
	}
}

// Pause freezes the server (SIGSTOP): its port still accepts, nothing answers.
func (s *RedisServer) Pause() { s.t.Helper(); s.signal("STOP") }

// Resume ends a Pause.
func (s *RedisServer) Resume() { s.t.Helper(); s.signal("CONT") }

func (s *RedisServer) signal(name string) {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatal("redis-server is not running")
	}
	if err := s.proc.signal(name); err != nil {
		s.t.Fatalf("signal redis-server: %v", err)
	}
}

func (s *RedisServer) log() string { return filepath.Join(s.dir, "redis.log") }

func (s *RedisServer) start() error {
	proc, err := launch{
		argv: []string{s.binary, "--bind", "127.0.0.1", "--port", strconv.Itoa(s.port),
			"--save", "", "--appendonly", "no", "--dir", s.dir, "--maxmemory-policy", "noeviction"},
		dir: s.dir, log: s.log(), end: "KILL",
	}.start()
	if err != nil {
		return err
	}
	s.proc = proc
	if err := awaitReady(func() error { return s.with(s.isOurs) }); err != nil {
		s.end()
		return err
	}
	return nil
}

func (s *RedisServer) end() {
	if s.proc != nil {
		s.proc.stop()
		s.proc = nil
	}
}

// isOurs reports whether the server that answers works in this server's folder.
func (s *RedisServer) isOurs(ctx context.Context, c *redis.Client) error {
	got, err := c.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return err
	}
	want, err := os.Stat(s.dir)
	if err != nil {
		return err
	}
	have, err := os.Stat(got["dir"])
	if err != nil || !os.SameFile(want, have) {
		return fmt.Errorf("port %d is answered by another redis-server", s.port)
	}
	return nil
}

func (s *RedisServer) with(do func(context.Context, *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", s.port), MaxRetries: -1, PoolSize: 1})
	defer c.Close()
	return do(ctx, c)
}
