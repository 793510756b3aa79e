package celonissim

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// team is the state of a Team.
type team struct {
	host, id, name, domain string
	credentials            []*Credential
	pools                  []*pool
	models                 []KnowledgeModel
	disabled               []API
	limiter                *submitLimiter
	oauth                  oauthState
	admin                  adminState
	pql                    pqlState
	tools                  []Tool
	scim                   *scimState
	chat                   chatState
}

// pool is the state of a data pool.
type pool struct {
	id, name     string
	created      time.Time
	sources      []Named
	dataModels   []Named
	dataJobs     []Named
	jobs         []*job
	tables       map[tableKey]*table
	tails        map[tableKey]chan struct{}
	items        []*item
	ingestion    ingestion
	executions   map[string][]*execution
	description  *string
	timeModified time.Time
}

func newTeam(o Team, limits Limits, now time.Time) *team {
	t := &team{
		host: o.Host, id: orNew(o.ID), name: orText(o.Name, "Simulated team"), domain: orText(o.Domain, "sim"),
		models: o.KnowledgeModels, disabled: o.Disabled, limiter: newSubmitLimiter(limits), oauth: newOAuthState(o.OAuthClients),
		scim: newSCIMState(o.SCIM),
		chat: chatState{agents: o.Agents},
	}
	for _, c := range o.Credentials {
		t.credentials = append(t.credentials, &c)
	}
	for _, p := range o.Pools {
		t.pools = append(t.pools, newPool(p, now))
	}
	return t
}

func newPool(o Pool, now time.Time) *pool {
	p := &pool{
		id: orNew(o.ID), name: orText(o.Name, "Simulated pool"), created: now, timeModified: now,
		sources: named(o.DataSources), dataModels: named(o.DataModels), dataJobs: named(o.DataJobs),
		ingestion: ingestion{keys: o.IngestionKeys, tables: o.IngestionTables},
	}
	p.forget()
	return p
}

// forget drops what was pushed. Running jobs find themselves canceled.
func (p *pool) forget() {
	for _, j := range p.jobs {
		j.gone = true
		j.dropFiles()
	}
	p.jobs = nil
	p.tables = make(map[tableKey]*table)
	p.tails = make(map[tableKey]chan struct{})
	p.items, p.executions = nil, make(map[string][]*execution)
	p.ingestion.forget()
}

func named(in []Named) []Named {
	out := slices.Clone(in)
	for i := range out {
		out[i].ID = orNew(out[i].ID)
	}
	return out
}

func orNew(id string) string {
	if id == "" {
		return uuid.NewString()
	}
	return id
}

func orText(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

func (t *team) pool(id string) *pool {
	for _, p := range t.pools {
		if strings.EqualFold(p.id, id) {
			return p
		}
	}
	return nil
}

func (t *team) named(name string) *pool {
	for _, p := range t.pools {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (p *pool) source(id string) (Named, bool) { return findNamed(p.sources, id) }

func findNamed(in []Named, id string) (Named, bool) {
	for _, n := range in {
		if n.ID == id {
			return n, true
		}
	}
	return Named{}, false
}

func (p *pool) job(id string) *job {
	for _, j := range p.jobs {
		if j.id == id {
			return j
		}
	}
	return nil
}

// schema is the database schema of a data connection, or of the pool itself.
func (p *pool) schema(connection string) string {
	if connection == "" {
		return p.id
	}
	return p.id + "_" + connection
}
