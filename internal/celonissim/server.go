package celonissim

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Server plays the teams of its Options. It is an http.Handler and may be
// used from any number of goroutines.
type Server struct {
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	router  *router
	faults  *faultSet
	journal *journal
	// knowledge has a lock of its own.
	knowledge knowledgeState
	// events have one too.
	events eventState

	// mu guards the teams and everything below them. It is never held while
	// data is received or parsed, or a hook is called.
	mu    sync.Mutex
	teams []*team

	// ctx ends with Close; work counts the jobs being run.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	serveMu sync.Mutex
	servers []*http.Server
}

var _ http.Handler = (*Server)(nil)

// New makes a server of its options. It panics on options that contradict
// themselves, such as a pool id given twice.
func New(opts Options) *Server {
	opts.Limits = opts.Limits.withDefaults()
	opts.Answers = opts.Answers.withDefaults()
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if len(opts.Teams) == 0 {
		opts.Teams = []Team{{}}
	}
	s := &Server{opts: opts, log: opts.Log, now: opts.Now, events: eventState{how: opts.Events}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.faults = newFaultSet(opts.Seed)
	s.journal = newJournal(opts.JournalSize)
	for _, t := range opts.Teams {
		s.teams = append(s.teams, newTeam(t, opts.Limits, opts.Now()))
	}
	s.mustBeDistinct()
	s.router = s.routes()
	return s
}

func (s *Server) mustBeDistinct() {
	seen := make(map[string]bool)
	for _, t := range s.teams {
		for _, p := range t.pools {
			if seen[p.id] {
				panic("celonissim: pool id " + p.id + " is given twice")
			}
			seen[p.id] = true
		}
	}
}

// Start serves on a TCP address, such as "127.0.0.1:0", in the background and
// gives the base URL ("http://127.0.0.1:41234"). Close stops it.
func (s *Server) Start(addr string) (baseURL string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	baseURL = "http://" + l.Addr().String()
	if s.opts.TLS != nil {
		l, baseURL = tls.NewListener(l, s.opts.TLS), "https://"+l.Addr().String()
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second}
	s.serveMu.Lock()
	s.servers = append(s.servers, srv)
	s.serveMu.Unlock()
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("simulator stopped serving", "error", err)
		}
	}()
	return baseURL, nil
}

// Shutdown stops taking requests, waits for those under way until ctx ends,
// and then does what Close does.
func (s *Server) Shutdown(ctx context.Context) error {
	var errs []error
	for _, srv := range s.taken() {
		errs = append(errs, srv.Shutdown(ctx))
	}
	return errors.Join(append(errs, s.Close())...)
}

// Close cuts all connections, abandons running jobs, waits for them and
// removes spooled chunks. The content of tables stays readable.
func (s *Server) Close() error {
	// Under the mutex, so that no job is started after it.
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	var errs []error
	for _, srv := range s.taken() {
		errs = append(errs, srv.Close())
	}
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.teams {
		for _, p := range t.pools {
			for _, j := range p.jobs {
				j.dropFiles()
			}
		}
	}
	return errors.Join(errs...)
}

func (s *Server) taken() []*http.Server {
	s.serveMu.Lock()
	defer s.serveMu.Unlock()
	return append([]*http.Server(nil), s.servers...)
}

// Table gives a table of the pool's own schema as it is now, or false where no
// finished job has made it.
func (s *Server) Table(pool, name string) (*Table, bool) {
	return s.TableOf(pool, "", name)
}

// TableOf is Table for the schema of a data connection; "" is the pool's own.
func (s *Server) TableOf(pool, connection, name string) (*Table, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.findPool(pool)
	if p == nil {
		return nil, false
	}
	t := p.tables[tableKey{connection, name}]
	if t == nil || t.snap == nil {
		return nil, false
	}
	return t.view(p.id), true
}

func (t *table) view(pool string) *Table {
	return &Table{name: t.key.name, pool: pool, connection: t.key.connection, bytes: t.bytes, jobs: t.jobs, snap: t.snap}
}

func (s *Server) findPool(id string) *pool {
	for _, t := range s.teams {
		if p := t.pool(id); p != nil {
			return p
		}
	}
	return nil
}

// Reset forgets tables, jobs, users and groups of SCIM, faults, the journal,
// counters and used-up limits. Teams, credentials and pools stay, those added later too.
func (s *Server) Reset() {
	s.faults.clear()
	s.journal.clear()
	s.forgetSubscriptions()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.teams {
		t.limiter = newSubmitLimiter(s.opts.Limits)
		t.scim.mu.Lock()
		t.scim.forget()
		t.scim.mu.Unlock()
		t.chat = chatState{agents: t.chat.agents}
		for _, p := range t.pools {
			p.forget()
		}
	}
}

// AddPool adds a pool to the first team and gives its id. It panics when the
// id or the name is taken.
func (s *Server) AddPool(p Pool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.teams[0]
	if (p.ID != "" && s.findPool(p.ID) != nil) || t.named(p.Name) != nil {
		panic("celonissim: pool " + p.Name + " exists")
	}
	made := newPool(p, s.now())
	t.pools = append(t.pools, made)
	return made.id
}

// AddCredential adds a key to the first team; an empty key is generated. It
// gives the key.
func (s *Server) AddCredential(c Credential) string {
	if c.Key == "" {
		c.Key = NewKey()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[0].credentials = append(s.teams[0].credentials, &c)
	return c.Key
}

// RemoveCredential takes the credentials of a name away, as when a key is
// revoked, and says whether there was one.
func (s *Server) RemoveCredential(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for _, t := range s.teams {
		kept := t.credentials[:0:0]
		for _, c := range t.credentials {
			if c.Name == name {
				found = true
				continue
			}
			kept = append(kept, c)
		}
		t.credentials = kept
	}
	return found
}
