package preview

import (
	"maps"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/fault"
)

// trial is an asker that asks few questions and tells how many it left out.
type trial interface {
	Tried() (asked, left int)
}

// foreseeAsking tells what agents were asked: each question counts for the team.
func (a *attempt) foreseeAsking(shape mapping.Shape) {
	for _, name := range slices.Sorted(maps.Keys(shape.Agents)) {
		t, ok := shape.Agents[name].Asker.(trial)
		if !ok {
			continue
		}
		switch asked, left := t.Tried(); {
		case left > 0:
			a.find(flows.FindingWarning, fault.LookupLimit,
				"the preview asked the agent of the lookup %q %d questions and left %d out: their values are \"[not asked]\", or null", name, asked, left)
		case asked > 0:
			a.find(flows.FindingInfo, fault.LookupLimit, "the preview asked the agent of the lookup %q %d questions", name, asked)
		}
	}
}
