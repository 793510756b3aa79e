package flows

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Followed: the run of another flow succeeded and named this one as what comes then.
const Followed Trigger = "flow"

// LinkStore knows which flows follow which.
type LinkStore interface {
	// FlowLinks gives the flows that follow each flow of a workspace, by id.
	FlowLinks(ctx context.Context, workspace string) (map[string][]string, error)
}

// Cycle finds a way from a flow back to itself, as the ids passed, with the
// flow's at both ends; nil when there is none.
func Cycle(links map[string][]string, start string) []string {
	seen := map[string]bool{}
	var walk func(at string, path []string) []string
	walk = func(at string, path []string) []string {
		for _, next := range links[at] {
			if next == start {
				return append(path, next)
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if found := walk(next, append(slices.Clone(path), next)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(start, []string{start})
}

// checkThen finds flows that are not there, and cycles; id is the flow's, "" for a new one.
func (s *Service) checkThen(ctx context.Context, workspace, id string, then []string) (fields []fault.Field, err error) {
	if len(then) == 0 {
		return nil, nil
	}
	names := map[string]string{}
	for i, target := range then {
		f, err := s.Flows.Flow(ctx, workspace, target)
		switch {
		case fault.Has(err, fault.FlowNotFound):
			fields = append(fields, fault.Field{Pointer: fmt.Sprintf("/then/%d", i), Code: fault.FlowNotFound, Detail: "names no flow"})
		case err != nil:
			return nil, err
		default:
			names[target] = f.Name
		}
	}
	if len(fields) > 0 || id == "" {
		return fields, nil
	}
	links, err := s.Links.FlowLinks(ctx, workspace)
	if err != nil {
		return nil, err
	}
	links[id] = then
	path := Cycle(links, id)
	if path == nil {
		return nil, nil
	}
	said := make([]string, len(path))
	for i, at := range path {
		if said[i], err = s.nameOf(ctx, workspace, at, names); err != nil {
			return nil, err
		}
	}
	at := fmt.Sprintf("/then/%d", slices.Index(then, path[1]))
	return []fault.Field{{Pointer: at, Code: fault.FlowCycle, Detail: "makes a cycle: " + strings.Join(said, " then ")}}, nil
}

func (s *Service) nameOf(ctx context.Context, workspace, id string, known map[string]string) (string, error) {
	if name, ok := known[id]; ok {
		return fmt.Sprintf("%q", name), nil
	}
	f, err := s.Flows.Flow(ctx, workspace, id)
	if fault.Has(err, fault.FlowNotFound) {
		return fmt.Sprintf("%q", id), nil
	}
	if err != nil {
		return "", err
	}
	known[id] = f.Name
	return fmt.Sprintf("%q", f.Name), nil
}
