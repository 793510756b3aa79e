package portable

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// The members of a flow that name something by its id, and what a document has in their place.
const (
	idMember     = "connectionId"
	nameMember   = "connection"
	fileIDMember = "fileId"
	fileMember   = "file"
	thenMember   = "then"
	behindMember = "behind"
)

// pendingID stands for the id of a connection that the import would make.
const pendingID = "pending"

// FileRef names an uploaded file in a document.
type FileRef struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// part is an object within a flow and where it stands.
type part struct {
	at     string
	object map[string]any
}

// partOf gives an object's member that is an object itself, with none of its own where there is none.
func partOf(object map[string]any, name string) part {
	inner, _ := object[name].(map[string]any)
	return part{"/" + name, inner}
}

// connectionParts lists where a flow may name a connection: where it writes, where it reads and where its lookups ask.
func connectionParts(object map[string]any) []part {
	parts := []part{partOf(object, "import"), partOf(object, "export")}
	for _, l := range lookups(object) {
		agent := partOf(l.object, "agent")
		parts = append(parts, part{l.at + agent.at, agent.object})
	}
	return parts
}

// fileParts lists where a flow may name an uploaded file.
func fileParts(object map[string]any) []part {
	return append([]part{partOf(object, "export")}, lookups(object)...)
}

func lookups(object map[string]any) (parts []part) {
	list, _ := object["lookups"].([]any)
	for i := range list {
		inner, _ := list[i].(map[string]any)
		parts = append(parts, part{fmt.Sprintf("/lookups/%d", i), inner})
	}
	return parts
}

// names tells what the ids of a workspace stand for.
type names struct {
	of    map[string]string
	files map[string]FileRef
}

// flow gives a flow with names in the place of ids. An id that stands for nothing any more stays.
func (n names) flow(s flows.Spec) (Flow, error) {
	object, err := objectOf(s)
	if err != nil {
		return Flow{}, err
	}
	n.inList(object, thenMember)
	if delta := partOf(partOf(object, "export").object, "delta").object; delta != nil {
		if name, ok := n.of[fmt.Sprint(delta[behindMember])]; ok {
			delta[behindMember] = name
		}
	}
	for _, p := range connectionParts(object) {
		if id, has := p.object[idMember].(string); has {
			delete(p.object, idMember)
			p.object[nameMember] = n.of[id]
		}
	}
	for _, p := range fileParts(object) {
		id, _ := p.object[fileIDMember].(string)
		if ref, ok := n.files[id]; ok {
			delete(p.object, fileIDMember)
			p.object[fileMember] = ref
		}
	}
	text, err := json.Marshal(object)
	return Flow{text}, err
}

func (n names) inList(object map[string]any, member string) {
	list, _ := object[member].([]any)
	for i, id := range list {
		if name, ok := n.of[fmt.Sprint(id)]; ok {
			list[i] = name
		}
	}
}

// reading puts ids in the place of a document's names.
type reading struct {
	*standing
	files  Files
	faults []fault.Field
	// pending are the places that name a connection which the import would make.
	pending map[string]bool
	// again says that a name is that of a flow which comes later in the document, and was left out.
	again bool
}

func (r *reading) add(pointer string, code fault.Code, detail string) {
	r.faults = append(r.faults, fault.Field{Pointer: pointer, Code: code, Detail: detail})
}

func (r *reading) connection(p part) {
	if _, has := p.object[idMember]; has {
		r.add(p.at+"/"+idMember, fault.RequestFieldInvalid, "has no place here: the connection is named by \"connection\"")
		return
	}
	name, named := p.object[nameMember].(string)
	if !named {
		kind, _ := p.object["type"].(string)
		if p.at == "/import" && flows.ImportType(kind).WritesThrough() {
			r.add(p.at+"/"+nameMember, fault.RequestFieldInvalid, "must be the name of a connection")
		}
		return
	}
	c, known := r.connections[key(name)]
	if !known {
		r.add(p.at+"/"+nameMember, fault.RequestFieldInvalid, "names no connection")
		return
	}
	delete(p.object, nameMember)
	if p.object[idMember] = c.ID; c.ID == "" {
		p.object[idMember] = pendingID
		r.pending[p.at+"/"+idMember] = true
	}
}

func (r *reading) file(ctx context.Context, p part) error {
	raw, has := p.object[fileMember]
	if !has {
		return nil
	}
	var ref FileRef
	at := p.at + "/" + fileMember
	if text, err := json.Marshal(raw); err != nil || json.Unmarshal(text, &ref) != nil || ref.SHA256 == "" {
		r.add(at, fault.RequestFieldInvalid, "must have the file's name and its sha256")
		return nil
	}
	found, err := r.files.FindFile(ctx, r.workspace, strings.ToLower(ref.SHA256), ref.Name)
	switch {
	case fault.Has(err, fault.FileNotFound):
		r.add(at, fault.FileNotFound, fmt.Sprintf("the workspace has no uploaded file %q with the SHA-256 %s: upload it, then import again", ref.Name, ref.SHA256))
		return nil
	case err != nil:
		return err
	}
	delete(p.object, fileMember)
	p.object[fileIDMember] = found.ID
	return nil
}

// flow gives the id of the flow that a name stands for, "" for one that is not there yet.
func (r *reading) flow(pointer, name string) string {
	f, found := r.flows[key(name)]
	switch {
	case found:
		return f.ID
	case r.coming[key(name)]:
		r.again = true
	default:
		r.add(pointer, fault.RequestFieldInvalid, "names no flow of the workspace or the document")
	}
	return ""
}

func (r *reading) followers(object map[string]any) {
	list, has := object[thenMember].([]any)
	if !has {
		return
	}
	ids := []any{}
	for i, name := range list {
		if id := r.flow(fmt.Sprintf("/%s/%d", thenMember, i), fmt.Sprint(name)); id != "" {
			ids = append(ids, id)
		}
	}
	object[thenMember] = ids
}

func (r *reading) behind(object map[string]any) {
	delta := partOf(partOf(object, "export").object, "delta").object
	name, has := delta[behindMember].(string)
	if !has || name == "" {
		return
	}
	if delta[behindMember] = r.flow("/export/delta/"+behindMember, name); delta[behindMember] == "" {
		delete(delta, behindMember)
	}
}

// spec reads a flow. Fault RequestInvalid with every name that stands for nothing.
func (r *reading) spec(ctx context.Context, f Flow) (spec flows.Spec, err error) {
	object, err := objectOf(f.raw)
	if err != nil {
		return spec, broken("", "must be an object")
	}
	if partOf(object, "import").object == nil {
		return spec, broken(namePointer, "must be the name of a connection")
	}
	for _, p := range connectionParts(object) {
		r.connection(p)
	}
	for _, p := range fileParts(object) {
		if err := r.file(ctx, p); err != nil {
			return spec, err
		}
	}
	r.followers(object)
	r.behind(object)
	if len(r.faults) > 0 {
		return spec, fault.New(fault.RequestInvalid, "the item is not valid").WithFields(r.faults...)
	}
	return decoded(object)
}
