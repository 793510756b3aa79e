// Package doctor looks at everything that a service stands on and says what is
// wrong with it and what to do.
package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/queue"
	"github.com/celonis-connector/connector/internal/spool"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/redis/go-redis/v9"
)

// Level says how bad a finding is.
type Level string

const (
	// Good: nothing to do.
	Good Level = "ok"
	// Warning: it works, and could be better.
	Warning Level = "warning"
	// Broken: the service does not start or does not do its work.
	Broken Level = "broken"
)

// Finding is what was seen of a part.
type Finding struct {
	Part  string `json:"part"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	// Do says what to do about it.
	Do string `json:"do,omitempty"`
}

// maxSkew is the difference of clocks that leases and tokens bear.
const maxSkew = 2 * time.Second

// Examine looks at the parts of a configuration one after another; domain, if
// not "", is a Celonis domain to reach.
func Examine(ctx context.Context, cfg config.Config, domain string) []Finding {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	e := &examination{cfg: cfg}
	keyring := e.keys()
	e.database(ctx, keyring)
	e.redis(ctx)
	e.spool()
	e.listening()
	e.egress(ctx, domain)
	return e.findings
}

type examination struct {
	cfg      config.Config
	findings []Finding
}

func (e *examination) add(part string, level Level, do, format string, args ...any) {
	e.findings = append(e.findings, Finding{Part: part, Level: level, Text: fmt.Sprintf(format, args...), Do: do})
}

// broken adds what a fault says to a person.
func (e *examination) broken(part string, err error) {
	f := fault.From(err)
	text := f.Message
	if f.Cause != nil {
		text += ": " + f.Cause.Error()
	}
	e.add(part, Broken, f.Hint, "%s", text)
}

func (e *examination) database(ctx context.Context, keyring *crypto.Keyring) {
	db, err := store.Open(ctx, store.Config{URL: e.cfg.DatabaseURL.Reveal(), Path: e.cfg.SQLitePath()})
	if err != nil {
		e.broken("database", err)
		return
	}
	defer db.Close()
	if err := db.Ping(ctx); err != nil {
		e.broken("database", err)
		return
	}
	e.add("database", Good, "", "%s answers, its tables are up to date", db.Dialect())
	if there, ok, err := db.ServerTime(ctx); err == nil && ok {
		e.clock("PostgreSQL", there)
	}
	e.fit(ctx, db, keyring)
}

func (e *examination) redis(ctx context.Context) {
	if e.cfg.RedisURL.IsZero() {
		e.add("redis", Good, "", "embedded in the process; several processes need CONNECTOR_REDIS_URL")
		return
	}
	client, closer, err := queue.Open(e.cfg.RedisURL.Reveal())
	if err != nil {
		e.broken("redis", err)
		return
	}
	defer closer.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		e.add("redis", Broken, "start Redis or mend CONNECTOR_REDIS_URL; runs are safe in the database meanwhile", "Redis does not answer: %v", err)
		return
	}
	e.redisServer(ctx, client)
	e.redisClock(ctx, client)
}

// minRedis is the first version with XAUTOCLAIM in the form that the queue uses.
const minRedis = 7

func (e *examination) redisServer(ctx context.Context, client redis.UniversalClient) {
	info, err := client.Info(ctx, "server", "persistence", "memory").Result()
	if err != nil {
		e.add("redis", Warning, "allow the command INFO to this user", "Redis does not tell its settings: %v", err)
		return
	}
	facts := map[string]string{}
	for line := range strings.SplitSeq(info, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	version := facts["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < minRedis {
		e.add("redis", Broken, fmt.Sprintf("use Redis %d or later", minRedis), "Redis is version %q", version)
	} else {
		e.add("redis", Good, "", "Redis %s answers", version)
	}
	if policy := facts["maxmemory_policy"]; policy != "noeviction" {
		e.add("redis", Warning, "set maxmemory-policy noeviction: an evicted queue costs time until the sweep finds its runs", "Redis may evict keys (%s)", policy)
	}
	if facts["aof_enabled"] == "0" {
		e.add("redis", Warning, "set appendonly yes: a restart then keeps the queue; without it the sweep makes it anew", "Redis does not persist its queue")
	}
}

func (e *examination) redisClock(ctx context.Context, client redis.UniversalClient) {
	there, err := client.Time(ctx).Result()
	if err != nil {
		return
	}
	e.clock("Redis", there)
}

func (e *examination) clock(whose string, there time.Time) {
	skew := time.Since(there).Abs().Round(time.Millisecond)
	if skew > maxSkew {
		e.add("clock", Warning, "keep the clocks with NTP: leases and tokens are compared across machines", "this machine and %s differ by %s", whose, skew)
		return
	}
	e.add("clock", Good, "", "this machine and %s agree", whose)
}

func (e *examination) spool() {
	s, err := spool.Open(e.cfg.SpoolDir())
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		e.broken("spool", err)
		return
	}
	e.add("spool", Good, "", "%s can be written to", e.cfg.SpoolDir())
}
