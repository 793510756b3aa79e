package portable

import (
	"fmt"
	"slices"

	"github.com/celonis-connector/connector/flows"
)

const thenMember = "then"

// nameFollowers puts names in the place of the ids of the flows that follow a flow.
func nameFollowers(object map[string]any, names map[string]string) {
	list, _ := object[thenMember].([]any)
	for i, id := range list {
		if name, ok := names[fmt.Sprint(id)]; ok {
			list[i] = name
		}
	}
}

// followers puts ids in the place of the names. A flow that the look at an
// import would only make is left out. Fault RequestInvalid for a name that no
// flow of the workspace, and none before this one in the document, has.
func (now *standing) followers(spec *flows.Spec) error {
	for i, name := range spec.Then {
		f, found := now.flows[key(name)]
		if !found {
			return broken(fmt.Sprintf("/then/%d", i), "names no flow that is there or stands before this one")
		}
		spec.Then[i] = f.ID
	}
	spec.Then = slices.DeleteFunc(spec.Then, func(id string) bool { return id == "" })
	return nil
}
