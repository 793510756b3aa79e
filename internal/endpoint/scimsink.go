package endpoint

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"github.com/google/uuid"
)

const (
	// scimGroup is how many rows are delivered between two checkpoints, scimAtOnce how many requests are under way.
	scimGroup, scimAtOnce = 200, 8
	// scimPerSecond is no bound beside scimAtOnce: Celonis names none for SCIM, and its 429 is heeded.
	scimPerSecond = 1000
	// scimLookups is up to how many names are looked up one by one in the place of listing a whole team.
	scimLookups = 20
)

// scimSink keeps the users or the groups of a Celonis team.
//
// Everything but creating somebody can be done twice. Each attempt reads what
// Celonis has before it delivers, and the client looks a user up when the answer
// to a create was lost, so that nobody is invited twice however often an attempt
// dies. What an earlier attempt did to a row that no checkpoint counts is told
// by the times that Celonis gives a resource.
type scimSink struct {
	team  scimTeam
	kind  provision.Kind
	rules provision.Rules
	scope provision.Scope
	guard provision.Guard
	rows  scimRows
	keys  scimKeys
	// texts: the flow has no mapping, whose inferred types are not those of ids.
	texts bool
	log   *slog.Logger

	// What the survey finds; it stays as it is while rows are delivered.
	survey   *provision.Survey
	told     bool
	dir      *provision.Directory
	users    *provision.Directory // of a sink of groups, for its members
	planner  *provision.Planner
	leavers  provision.Leavers
	since    time.Time
	settled  map[*provision.Gathered]*scimSettled
	foretold []flows.ForecastChange

	// room lets one row at a time make room for others.
	room     sync.Mutex
	roomMade bool
	// mu guards what the rows under way find out together.
	mu sync.Mutex
	// unkept are attributes that Celonis takes and does not keep.
	unkept map[provision.Attribute]bool
	// early are users whose rows say that they are not active and who made room before these rows came.
	early map[string]provision.Action
	// gone says that the leavers were taken away, acted how often what was done of it.
	gone     bool
	acted    map[string]int64
	warnings []flows.Warning
}

var (
	_ engine.Deliverer  = (*scimSink)(nil)
	_ engine.Surveyor   = (*scimSink)(nil)
	_ engine.Regretter  = (*scimSink)(nil)
	_ engine.Actor      = (*scimSink)(nil)
	_ engine.Restarter  = (*scimSink)(nil)
	_ engine.Fitter     = (*scimSink)(nil)
	_ engine.Foreteller = (*scimSink)(nil)
	_ engine.Follower   = (*scimSink)(nil)
)

// scim makes the sink of a flow that keeps users or groups.
func (b *Builder) scim(ctx context.Context, f *flows.Flow) (engine.Sink, error) {
	cfg, err := b.celonisConfig(ctx, f)
	if err != nil {
		return nil, err
	}
	if http := cfg.Target.HTTP; http == nil || http.Concurrency == nil && http.RequestsPerSecond == nil {
		cfg.Limits = celonis.NewLimits(scimAtOnce, scimPerSecond)
	}
	client, err := celonis.New(cfg)
	if err != nil {
		return nil, err
	}
	kind := provision.Users
	if f.Import.Type == flows.ImportSCIMGroups {
		kind = provision.Groups
	}
	return &scimSink{
		team: scimTeam{client.SCIM()}, kind: kind, rules: scimRules(kind, f), scope: scimScope(f), guard: scimGuard(f.Import.Guard),
		rows: scimRows{kind, f.Import.MemberSeparator}, keys: scimKeysOf(kind, f.Mapping), texts: len(f.Mapping) == 0, log: b.Log,
		unkept: map[provision.Attribute]bool{}, acted: map[string]int64{},
	}, nil
}

func scimRules(kind provision.Kind, f *flows.Flow) provision.Rules {
	i := f.Import
	r := provision.Rules{
		Kind: kind, Whole: i.Syncs(), Disabling: provision.Disabling(i.OnDisable), Role: i.RoleDefault, Kept: i.Keep,
		// The records of a retry are not all of a group's.
		Additive: i.MemberMode == flows.MembersAdd || f.Retrying, SkipUnknown: i.UnknownMembers == flows.UnknownSkip,
		MembersBy: provision.Attribute(i.MemberBy),
	}
	for _, by := range i.MatchBy {
		r.MatchBy = append(r.MatchBy, provision.Attribute(by))
	}
	if i.SendInvitation != nil {
		r.Invite = strconv.FormatBool(*i.SendInvitation)
	}
	return r
}

// scimScope: the records of a retry are not the whole source.
func scimScope(f *flows.Flow) provision.Scope {
	s := provision.Scope{Policy: provision.LeaveMissing, Everyone: f.Import.Scope == flows.ScopeAll, Admins: f.Import.IncludeAdmins}
	if f.Import.Syncs() && !f.Retrying {
		s.Policy = provision.Missing(f.Import.OnMissing)
	}
	return s
}

func scimGuard(g *flows.SyncGuard) provision.Guard {
	out := provision.Guard{Percent: flows.DefaultMaxMissing, Floor: flows.DefaultMissingFloor, MinSource: flows.DefaultMinSource}
	if g == nil {
		return out
	}
	if g.MinSource > 0 {
		out.MinSource = g.MinSource
	}
	if m := g.MaxMissing; m != nil {
		out.Percent, out.Count, out.Floor = m.Percent, m.Count, 0
	}
	return out
}

// syncs reports whether those that the source does not have are taken away.
func (s *scimSink) syncs() bool { return s.scope.Policy != provision.LeaveMissing }

// Fit implements engine.Fitter.
func (s *scimSink) Fit(_ context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	if s.texts {
		return scimTexts(rules), nil
	}
	return rules, nil
}

// Resume implements engine.Sink.
func (s *scimSink) Resume(_ context.Context, c flows.Checkpoint) (engine.Decision, error) {
	if c.Submitted {
		return engine.Finish, nil
	}
	return engine.GoOn, nil
}

// Restarts implements engine.Restarter: whoever was delivered is found again.
func (s *scimSink) Restarts() bool { return true }

// Begin implements engine.Sink. The id keeps for later attempts what the push
// began with: when Celonis wrote last, and how many are to be taken away.
func (s *scimSink) Begin(_ context.Context, schema columns.Schema) (string, error) {
	if err := s.rows.check(schema); err != nil {
		return "", err
	}
	job := scimJob{id: uuid.NewString(), newest: s.dir.Newest(), leavers: int64(len(s.leavers.Steps))}
	if s.dir.Len() == 0 {
		job.newest = time.UnixMicro(1) // whoever is there later has come since
	}
	return job.String(), nil
}

// scimJob is what the id of a push says.
type scimJob struct {
	id      string
	newest  time.Time
	leavers int64
}

// String gives the id.
func (j scimJob) String() string {
	newest := int64(0)
	if !j.newest.IsZero() {
		newest = j.newest.UnixMicro()
	}
	return j.id + "." + strconv.FormatInt(newest, 36) + "." + strconv.FormatInt(j.leavers, 36)
}

// parseSCIMJob reads an id; what is none says nothing.
func parseSCIMJob(id string) (j scimJob) {
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		return j
	}
	j.id = parts[0]
	if us, err := strconv.ParseInt(parts[1], 36, 64); err == nil && us != 0 {
		j.newest = time.UnixMicro(us)
	}
	j.leavers, _ = strconv.ParseInt(parts[2], 36, 64)
	return j
}

// Group implements engine.Deliverer.
func (s *scimSink) Group() int { return scimGroup }

// Repeatable implements engine.Deliverer: each attempt reads first what Celonis has.
func (s *scimSink) Repeatable() bool { return true }

// Encoder implements engine.Sink; rows are not encoded.
func (s *scimSink) Encoder(columns.Schema) (columns.ChunkEncoder, error) { return nil, errRowsOnly() }

// Put implements engine.Sink; there are no chunks.
func (s *scimSink) Put(context.Context, string, engine.Chunk) error { return errRowsOnly() }

func errRowsOnly() error {
	return fault.New(fault.Internal, "users and groups are delivered as rows, not as chunks")
}

// Abort implements engine.Sink: nothing can be taken back.
func (s *scimSink) Abort(context.Context, string) error { return nil }
