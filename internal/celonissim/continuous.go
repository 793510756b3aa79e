package celonissim

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The names of the Continuous Data Push routes in journal, counters and faults.
const (
	routeItems   = "continuous.items"
	routeFlushes = "continuous.flushes"
	routeBuckets = "continuous.buckets"
)

// The statuses of an item.
const (
	flushNew    = "NEW"
	flushDone   = "FLUSHED"
	flushFailed = "FAILED"
)

// item is a file that waits to be flushed into its table, or was.
type item struct {
	id, bucket string
	table      tableKey
	file       *spooled
	client     string
	keys       []string
	order      string
	fallback   *int
	strategy   *string
	status     string
	problem    string
	created    time.Time
}

// itemDocument is the answer to an upload, and a line of the flush list.
type itemDocument struct {
	ID                    string  `json:"id"`
	FileName              string  `json:"fileName"`
	BucketID              string  `json:"bucketId"`
	FlushStatus           string  `json:"flushStatus"`
	ClientID              *string `json:"clientId"`
	FallbackVarcharLength *int    `json:"fallbackVarcharLength"`
	UpsertStrategy        *string `json:"upsertStrategy"`
}

func (i *item) document() itemDocument {
	d := itemDocument{ID: i.id, FileName: i.id + ".parquet", BucketID: i.bucket, FlushStatus: i.status,
		FallbackVarcharLength: i.fallback, UpsertStrategy: i.strategy}
	if i.client != "" {
		d.ClientID = &i.client
	}
	return d
}

// Flush is an item as the server has it.
type Flush struct {
	ID, Connection, Table, Client string
	Keys                          []string
	// Order is the duplicateRemovalOrderColumn.
	Order string
	// Status is NEW, FLUSHED or FAILED; Problem says why it failed.
	Status, Problem string
}

// Flushes gives the items that a pool has received, oldest first.
func (s *Server) Flushes(pool string) []Flush {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Flush
	if p := s.findPool(pool); p != nil {
		for _, i := range p.items {
			out = append(out, Flush{ID: i.id, Connection: i.table.connection, Table: i.table.name, Client: i.client,
				Keys: slices.Clone(i.keys), Order: i.order, Status: i.status, Problem: i.problem})
		}
	}
	return out
}

func (s *Server) routeContinuous(rt *router) {
	const pool = "/continuous-batch-processing/api/v1/{pool}"
	rt.handle(routeItems, "POST "+pool+"/items", s.pushPool(s.addItem))
	rt.handle(routeFlushes, "GET "+pool+"/flushes", s.pushPool(s.listFlushes))
	rt.handle(routeBuckets, "GET "+pool, s.pushPool(s.listBuckets))
}

// parquetMark begins and ends a Parquet file.
var parquetMark = []byte("PAR1")

// addItem takes one Parquet file and flushes it into its table later.
func (s *Server) addItem(w http.ResponseWriter, r *http.Request, _ *team, p *pool) {
	i, problem := newItem(r, p, s.now())
	if problem != "" {
		writeText(w, http.StatusBadRequest, problem)
		return
	}
	file, ok := s.receiveChunk(w, r)
	if !ok {
		return
	}
	if !isParquet(file) {
		file.drop()
		writeText(w, http.StatusBadRequest, "the file is not a Parquet file")
		return
	}
	i.file = file
	s.mu.Lock()
	p.items = append(p.items, i)
	i.bucket = p.bucket(i.table)
	answer := i.document()
	s.later(p, i.table, s.opts.QueueDelay, func() { s.flush(p, i) })
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, answer)
}

func isParquet(f *spooled) bool {
	at, err := f.reader()
	if err != nil || f.size < 12 {
		return false
	}
	head, tail := make([]byte, 4), make([]byte, 4)
	_, errHead := at.ReadAt(head, 0)
	_, errTail := at.ReadAt(tail, f.size-4)
	return errHead == nil && errTail == nil && bytes.Equal(head, parquetMark) && bytes.Equal(tail, parquetMark)
}

// newItem reads the parameters of an upload; problem is what is wrong with them.
func newItem(r *http.Request, p *pool, now time.Time) (i *item, problem string) {
	q := r.URL.Query()
	i = &item{
		id: uuid.NewString(), table: tableKey{q.Get("connectionId"), q.Get("targetName")}, client: q.Get("clientId"),
		order: q.Get("duplicateRemovalOrderColumn"), status: flushNew, created: now,
	}
	if i.table.name == "" {
		return nil, "targetName must not be empty"
	}
	if _, ok := p.source(i.table.connection); i.table.connection != "" && !ok {
		return nil, "connectionId names no data connection of the data pool"
	}
	if keys := q.Get("primaryKeys"); keys != "" {
		i.keys = strings.Split(keys, ",")
	}
	if text := q.Get("fallbackVarcharLength"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxVarchar {
			return nil, "fallbackVarcharLength must be between 1 and " + strconv.Itoa(maxVarchar)
		}
		i.fallback = &n
	}
	if text := q.Get("upsertStrategy"); text != "" {
		if text != strategyUnchanged && text != strategyNullify {
			return nil, "upsertStrategy is not known"
		}
		i.strategy = &text
	}
	return i, ""
}

// later does work on a table behind all other work on it. The server's mutex is held.
func (s *Server) later(p *pool, key tableKey, delay time.Duration, work func()) {
	if s.ctx.Err() != nil {
		return
	}
	before, done := p.tails[key], make(chan struct{})
	p.tails[key] = done
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer close(done)
		if before != nil {
			select {
			case <-before:
			case <-s.ctx.Done():
				return
			}
		}
		if s.settle(delay) {
			work()
		}
	}()
}

// Settled gives a channel that is closed when all that was received for a
// table of the pool so far has been loaded.
func (s *Server) Settled(pool, connection, table string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.findPool(pool); p != nil {
		if tail := p.tails[tableKey{connection, table}]; tail != nil {
			return tail
		}
	}
	done := make(chan struct{})
	close(done)
	return done
}

// flush upserts an item: by its keys, or by all columns without any.
func (s *Server) flush(p *pool, i *item) {
	err := s.upsertFile(p, upsertFile{table: i.table, file: i.file, keys: i.keys, order: i.order, fallback: i.fallback, strategy: i.strategy})
	s.mu.Lock()
	defer s.mu.Unlock()
	i.file.drop()
	i.status = flushDone
	if err != nil {
		i.status, i.problem = flushFailed, err.Error()
	}
}

// upsertFile is a Parquet file that is loaded without a push job.
type upsertFile struct {
	table    tableKey
	file     *spooled
	keys     []string
	order    string
	fallback *int
	strategy *string
}

func (s *Server) upsertFile(p *pool, f upsertFile) error {
	if len(f.keys) == 0 {
		at, err := f.file.reader()
		if err != nil {
			return err
		}
		opened, err := openParquet(at, f.file.size)
		if err != nil {
			return err
		}
		for _, c := range opened.columns() {
			f.keys = append(f.keys, c.name)
		}
	}
	kind, file := typeDelta, fileParquet
	doc := jobDocument{TargetName: &f.table.name, Type: &kind, FileType: &file, Keys: f.keys, FallbackVarcharLength: f.fallback, UpsertStrategy: f.strategy}
	if f.table.connection != "" {
		doc.ConnectionID = &f.table.connection
	}
	j := newJob(doc, s.now())
	j.order = f.order
	j.chunks = []*chunk{{kind: chunkUpsert, file: f.file, bytes: f.file.size}}
	return s.load(p, j)
}

// bucket is the id of a table's bucket. The server's mutex is held.
func (p *pool) bucket(key tableKey) string {
	for _, i := range p.items {
		if i.table == key && i.bucket != "" {
			return i.bucket
		}
	}
	return uuid.NewString()
}

func (s *Server) listFlushes(w http.ResponseWriter, r *http.Request, _ *team, p *pool) {
	q := r.URL.Query()
	s.mu.Lock()
	list := []itemDocument{}
	for _, i := range p.items {
		if i.table == (tableKey{q.Get("connectionId"), q.Get("targetName")}) {
			list = append(list, i.document())
		}
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) listBuckets(w http.ResponseWriter, _ *http.Request, _ *team, p *pool) {
	type bucket struct {
		ID           string `json:"id"`
		TargetName   string `json:"targetName"`
		ConnectionID string `json:"connectionId"`
		Items        int    `json:"items"`
	}
	s.mu.Lock()
	list := []*bucket{}
	for _, i := range p.items {
		n := slices.IndexFunc(list, func(b *bucket) bool { return b.ID == i.bucket })
		if n < 0 {
			n, list = len(list), append(list, &bucket{ID: i.bucket, TargetName: i.table.name, ConnectionID: i.table.connection})
		}
		list[n].Items++
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}
