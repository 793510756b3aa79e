package connections

import (
	"context"
	"slices"
	"strings"
)

// OperationUse is a flow and what it does in Celonis through a connection.
type OperationUse struct {
	Usage
	Operations []Operation
}

// OperationUses tells what the flows of a connection do.
type OperationUses interface {
	OperationUses(ctx context.Context, workspace, connectionID string) ([]OperationUse, error)
}

// ScopeNeed is an operation and the scopes that it takes.
type ScopeNeed struct {
	Operation Operation `json:"operation"`
	// AnyOf lists the scopes of which one is enough, the narrowest first.
	AnyOf []string `json:"anyOf"`
	// Flows are those that do it; none when every connection of the API type does.
	Flows []Usage `json:"flows"`
	// Met says that the connection asks for one of the scopes.
	Met bool `json:"met"`
	// Optional needs are those of the forms' lists, without which a form shows no choices, and of what callers may ask for.
	Optional bool `json:"optional"`
}

// BroadScope is a scope that allows more than is needed.
type BroadScope struct {
	Scope string `json:"scope"`
	// Instead lists what is enough; nothing when nothing that the connection does needs the scope.
	Instead []string `json:"instead"`
}

// ScopeAdvice is what a connection needs of Celonis and what it asks for.
type ScopeAdvice struct {
	// Applies is false for a connection with a key: its rights follow from permissions, not from scopes.
	Applies bool        `json:"applies"`
	Needed  []ScopeNeed `json:"needed"`
	// Asked are the connection's scopes.
	Asked []string `json:"asked"`
	// Missing are the narrowest scopes for what is needed and not met; optional needs do not count.
	Missing []string     `json:"missing"`
	Broader []BroadScope `json:"broader"`
	// Suggested are the fewest and narrowest scopes for all that is needed.
	Suggested []string `json:"suggested"`
}

// ScopeAdvice compares what a connection's flows do with the scopes that it
// asks for. Fault ConnectionNotFound.
func (s *Service) ScopeAdvice(ctx context.Context, workspace, id string) (ScopeAdvice, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return ScopeAdvice{}, err
	}
	var uses []OperationUse
	if s.deps.Uses != nil {
		if uses, err = s.deps.Uses.OperationUses(ctx, workspace, id); err != nil {
			return ScopeAdvice{}, err
		}
	}
	return AdviseScopes(c, uses), nil
}

// AdviseScopes is ScopeAdvice for what the flows of c do.
func AdviseScopes(c *Connection, uses []OperationUse) ScopeAdvice {
	a := ScopeAdvice{
		Applies: c.AuthType == OAuth2, Needed: needsOf(c, uses), Asked: append([]string{}, c.Scopes...),
		Missing: []string{}, Broader: []BroadScope{}, Suggested: []string{},
	}
	for i := range a.Needed {
		n := &a.Needed[i]
		n.Met = slices.ContainsFunc(n.AnyOf, func(scope string) bool { return slices.Contains(c.Scopes, scope) })
		if n.Optional || len(n.AnyOf) == 0 {
			continue
		}
		a.Suggested = append(a.Suggested, n.AnyOf[0])
		if !n.Met && a.Applies {
			a.Missing = append(a.Missing, n.AnyOf[0])
		}
	}
	a.Suggested, a.Missing = inCatalogOrder(a.Suggested), inCatalogOrder(a.Missing)
	if a.Applies {
		a.Broader = broader(c.Scopes, a.Needed)
	}
	return a
}

// needsOf lists what a connection does: what all of its API type do, what its
// flows do, and what forms ask for beside.
func needsOf(c *Connection, uses []OperationUse) []ScopeNeed {
	needs := []ScopeNeed{}
	add := func(op Operation, flow *Usage, optional bool) {
		at := slices.IndexFunc(needs, func(n ScopeNeed) bool { return n.Operation == op })
		if at < 0 {
			at = len(needs)
			needs = append(needs, ScopeNeed{Operation: op, AnyOf: ScopesFor(op), Flows: []Usage{}, Optional: optional})
		}
		if flow != nil {
			needs[at].Flows = append(needs[at].Flows, *flow)
		}
		needs[at].Optional = needs[at].Optional && optional
	}
	switch {
	case c.APIType == DataPush:
		add(PushRows, nil, false)
	case len(uses) == 0:
		add(ReadKnowledgeModels, nil, false)
	}
	for _, use := range uses {
		for _, op := range use.Operations {
			add(op, &use.Usage, false)
		}
	}
	if c.APIType == DataPush {
		add(ListPools, nil, true)
	}
	// Callers may ask agents through any such connection; only one that has a scope for it is meant to be asked through.
	if c.APIType == Intelligence && slices.ContainsFunc(ScopesFor(AskProcessCopilot), func(scope string) bool { return slices.Contains(c.Scopes, scope) }) {
		add(AskProcessCopilot, nil, true)
	}
	return needs
}

// broader finds the scopes that could be narrower ones, or none.
func broader(asked []string, needs []ScopeNeed) []BroadScope {
	list := []BroadScope{}
	for _, scope := range asked {
		var enough []string
		for _, n := range needs {
			if slices.Contains(n.AnyOf, scope) {
				enough = append(enough, n.AnyOf[0])
			}
		}
		if !slices.Contains(enough, scope) {
			list = append(list, BroadScope{Scope: scope, Instead: inCatalogOrder(enough)})
		}
	}
	return list
}

// inCatalogOrder sorts scopes as the catalog does, each once.
func inCatalogOrder(scopes []string) []string {
	list := []string{}
	for _, s := range CelonisScopes() {
		if slices.Contains(scopes, s.Scope) {
			list = append(list, s.Scope)
		}
	}
	return list
}

// note puts an advice into a sentence, "" when there is nothing to say.
func (a ScopeAdvice) note() string {
	var parts []string
	if len(a.Missing) > 0 {
		parts = append(parts, "the connection's flows need "+strings.Join(a.Missing, " ")+", which it does not ask for")
	}
	for _, b := range a.Broader {
		if len(b.Instead) == 0 {
			parts = append(parts, "nothing that the connection does needs "+b.Scope)
			continue
		}
		parts = append(parts, b.Scope+" is broader than needed: "+strings.Join(b.Instead, " ")+" is enough")
	}
	return strings.Join(parts, "; ")
}

// noteScopes adds the advice to the step scope of a test that went well. The
// test stands whatever happens here.
func (s *Service) noteScopes(ctx context.Context, c *Connection, t *TestResult) {
	at := slices.IndexFunc(t.Steps, func(step Step) bool { return step.Step == "scope" && step.OK })
	if at < 0 || s.deps.Uses == nil {
		return
	}
	uses, err := s.deps.Uses.OperationUses(ctx, c.Workspace, c.ID)
	if err != nil {
		s.deps.Logger.WarnContext(ctx, "the scopes of a connection are not compared with its flows", "connection", c.ID, "error", err)
		return
	}
	t.Steps[at].Hint = AdviseScopes(c, uses).note()
}
