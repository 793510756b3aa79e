package endpoint

import (
	"context"
	"maps"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"golang.org/x/sync/errgroup"
)

// Surveys implements engine.Surveyor: names that come twice, the rows of a
// group and who is missing are seen in the whole source only.
func (s *scimSink) Surveys() bool { return true }

// Survey implements engine.Surveyor.
func (s *scimSink) Survey(_ context.Context, rows *columns.Batch) error {
	s.begin()
	if err := s.rows.check(rows.Schema); err != nil {
		return err
	}
	for at := range rows.Rows {
		r := s.rows.row(rows, at)
		if s.kind == provision.Groups {
			s.survey.AddGroup(r.Entry, r.members, r.told && r.wrong == nil)
		} else {
			s.survey.Add(r.Entry)
		}
		if s.survey.Rows() > maxDirectory {
			return fault.New(fault.ScimDirectory, "the source has more than %d rows", maxDirectory).WithHint("filter the source, or divide it among several flows")
		}
	}
	return nil
}

// begin makes a new survey, when the last one is at its end.
func (s *scimSink) begin() {
	if s.survey == nil || s.told {
		s.survey, s.told = provision.NewSurvey(s.kind), false
	}
}

// Regret implements engine.Regretter: whom a bad record speaks of is in the source.
func (s *scimSink) Regret(_ context.Context, errors []flows.RecordError) error {
	s.begin()
	for _, e := range errors {
		s.survey.Lost(s.keys.of(e))
	}
	return nil
}

// Surveyed implements engine.Surveyor: what Celonis has is read, and the guard
// decides before anything is written. Fault ScimGuard.
func (s *scimSink) Surveyed(ctx context.Context) error {
	s.begin()
	s.told = true
	if err := s.readTeam(ctx); err != nil {
		return err
	}
	s.planner = provision.NewPlanner(s.rules, s.dir, s.survey)
	s.settled, s.early, s.acted = map[*provision.Gathered]*scimSettled{}, map[string]provision.Action{}, map[string]int64{}
	s.foretold, s.leavers, s.gone, s.roomMade = nil, provision.Leavers{}, false, false
	if !s.syncs() {
		return nil
	}
	s.leavers = s.planner.Leavers(s.scope)
	if n := s.survey.Unread(); n > 0 && len(s.leavers.Steps) > 0 {
		s.leavers.Steps = nil
		s.warn(fault.New(fault.ScimUnread, "nobody was taken away: of %d records it could not be read whom they speak of", n))
	}
	return s.guard.Check(s.kind, s.survey, s.leavers)
}

func (s *scimSink) warn(w *fault.Error) {
	if len(s.warnings) < flows.MaxWarnings {
		s.warnings = append(s.warnings, flows.Warning{Code: w.Code, Message: w.Message})
	}
}

// readTeam reads what Celonis has: all of it, or who the source speaks of where
// these are few and Celonis looks them up.
func (s *scimSink) readTeam(ctx context.Context) error {
	few, err := s.few(ctx)
	if err != nil {
		return err
	}
	read := s.team.list
	if few {
		read = s.lookUp
	}
	if s.dir, err = read(ctx, s.kind); err != nil || s.kind != provision.Groups {
		return err
	}
	if len(s.survey.Members()) == 0 {
		s.users = provision.NewDirectory(provision.Users)
		return nil
	}
	s.users, err = read(ctx, provision.Users)
	return err
}

// few reports whether looking up those whom the source speaks of is less than reading the team.
func (s *scimSink) few(ctx context.Context) (bool, error) {
	names := len(s.survey.Values(provision.ExternalID)) + len(s.survey.Values(s.kind.Naming())) + len(s.survey.Members())
	if s.syncs() || names > scimLookups {
		return false, nil
	}
	return s.team.filters(ctx)
}

// lookUp asks for each name of the source.
func (s *scimSink) lookUp(ctx context.Context, k provision.Kind) (*provision.Directory, error) {
	asked := map[provision.Attribute][]string{}
	if k == s.kind {
		asked[provision.ExternalID], asked[k.Naming()] = s.survey.Values(provision.ExternalID), s.survey.Values(k.Naming())
	} else {
		asked[s.rules.MembersBy] = s.survey.Members()
	}
	d := provision.NewDirectory(k)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scimAtOnce)
	for _, by := range slices.Sorted(maps.Keys(asked)) {
		for _, value := range asked[by] {
			g.Go(func() error {
				list, err := s.team.find(ctx, k, by, value)
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, r := range list {
					d.Add(r)
				}
				return err
			})
		}
	}
	return d, g.Wait()
}
