package scim

import (
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	opAdd     = "add"
	opReplace = "replace"
	opRemove  = "remove"

	// MaxOperations bounds the operations of a PatchRequest.
	MaxOperations = 1000
)

// ParsePatch reads the body of PATCH leniently: operations in any case and
// without schemas. Faults: ScimSyntax, ScimVersion.
func ParsePatch(data []byte) (PatchRequest, error) {
	body, err := ParseResource(data)
	if err != nil {
		return PatchRequest{}, err
	}
	for _, urn := range texts(body.Get("schemas")) {
		if strings.HasPrefix(strings.ToLower(urn), "urn:scim:schemas:") {
			return PatchRequest{}, fault.New(fault.ScimVersion, "schemas: the schema %q is of SCIM 1; this is SCIM 2.0", quote(urn))
		}
		if !strings.EqualFold(urn, URNPatchOp) {
			return PatchRequest{}, fault.New(fault.ScimSyntax, "schemas: %q is not %q", quote(urn), URNPatchOp)
		}
	}
	list, ok := body.Get("Operations").([]any)
	if !ok || len(list) == 0 {
		return PatchRequest{}, fault.New(fault.ScimSyntax, "Operations: must be a list of at least one operation")
	}
	if len(list) > MaxOperations {
		return PatchRequest{}, fault.New(fault.ScimSyntax, "Operations: has %d operations where %d are taken", len(list), MaxOperations)
	}
	p := PatchRequest{Schemas: []string{URNPatchOp}, Operations: make([]PatchOperation, len(list))}
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return PatchRequest{}, fault.New(fault.ScimSyntax, "Operations/%d: must be an object", i)
		}
		if p.Operations[i], err = readOperation(object); err != nil {
			return PatchRequest{}, at(err, i)
		}
	}
	return p, nil
}

// at says which operation a fault speaks of.
func at(err error, i int) error {
	f := fault.From(err)
	named := fault.New(f.Code, "Operations/%d: %s", i, f.Message)
	named.Hint, named.Fields = f.Hint, f.Fields
	return named
}

func readOperation(o Resource) (PatchOperation, error) {
	word, ok := o.Get("op").(string)
	op := PatchOperation{Op: strings.ToLower(strings.TrimSpace(word)), Value: o.Get("value")}
	if !ok || (op.Op != opAdd && op.Op != opReplace && op.Op != opRemove) {
		return op, fault.New(fault.ScimSyntax, "op: must be %s, %s or %s", opAdd, opReplace, opRemove)
	}
	switch path := o.Get("path").(type) {
	case nil:
	case string:
		op.Path = strings.TrimSpace(path)
	default:
		return op, fault.New(fault.ScimPath, "path: must be a string")
	}
	switch {
	case op.Op == opRemove && op.Path == "":
		return op, fault.New(fault.ScimNoTarget, "path: an operation that removes needs one")
	case op.Path == "":
		if _, object := op.Value.(map[string]any); !object {
			return op, fault.New(fault.ScimValue, "value: must be an object where there is no path")
		}
	case op.Op != opRemove && o.key("value") == "":
		return op, fault.New(fault.ScimValue, "value: is missing")
	}
	if op.Path != "" {
		if _, err := ParsePath(op.Path); err != nil {
			return op, err
		}
	}
	return op, nil
}

// Apply gives the resource that a patch makes of r, which stays as it is. The
// patch is applied whole or not at all. What the kind does not have is passed
// over. Faults: ScimPath, ScimFilter, ScimNoTarget, ScimMutability, ScimValue.
func Apply(k Kind, r Resource, p PatchRequest) (Resource, error) {
	out := r.Clone()
	for i, op := range p.Operations {
		if err := applyOne(k, out, op); err != nil {
			return nil, at(err, i)
		}
	}
	out["schemas"] = schemasFor(out, texts(out.Get("schemas")), k.URN(), k.Extension())
	return out, nil
}

func applyOne(k Kind, r Resource, op PatchOperation) error {
	if op.Path != "" {
		path, err := ParsePath(op.Path)
		if err != nil {
			return err
		}
		return k.apply(r, op.Op, path, op.Value)
	}
	object, _ := op.Value.(map[string]any)
	for _, name := range names(object) {
		if strings.EqualFold(name, "schemas") || strings.EqualFold(name, "meta") {
			continue
		}
		if strings.EqualFold(name, "id") && object[name] == r.Get("id") {
			continue
		}
		path, err := ParsePath(name)
		if err != nil {
			return err
		}
		if err := k.apply(r, op.Op, path, object[name]); err != nil {
			return err
		}
	}
	return nil
}

// apply does one operation at one path.
func (k Kind) apply(r Resource, op string, path Path, value any) error {
	if path.Attr.Name == "" {
		return k.applyExtension(r, op, path, value)
	}
	a, extension := k.find(path.Attr)
	if a == nil {
		return nil // not an attribute that Celonis has
	}
	if a.Mutability == readOnly {
		return fault.New(fault.ScimMutability, "%s: can only be read", a.Name)
	}
	home, key := r, a.Name
	if extension {
		home, key = k.homeOf(r, a.Name)
	}
	t := target{attr: a, home: home, key: key, path: path, op: op}
	if op == opReplace && value == nil {
		t.op = opRemove
	}
	if t.op == opRemove && a.Required && path.filter == nil && path.Attr.Sub == "" && !a.MultiValued {
		return fault.New(fault.ScimMutability, "%s: is required and cannot be removed", a.Name)
	}
	return t.apply(value)
}

// homeOf gives the object in which an attribute of the extension stands: where
// it has a value already, else the extension.
func (k Kind) homeOf(r Resource, name string) (Resource, string) {
	if under := r.Object(k.Extension()); under != nil && (under.key(name) != "" || r.key(name) == "") {
		return under, name
	}
	if r.key(name) != "" {
		return r, r.key(name)
	}
	under := Resource{}
	r.Set(k.Extension(), map[string]any(under))
	return under, name
}

// applyExtension does an operation at a whole extension.
func (k Kind) applyExtension(r Resource, op string, path Path, value any) error {
	switch {
	case strings.EqualFold(path.Attr.URN, k.Extension()):
	case strings.EqualFold(path.Attr.URN, k.URN()):
	default:
		return nil // nothing that Celonis has
	}
	if op == opRemove {
		for _, a := range k.added() {
			if strings.EqualFold(path.Attr.URN, k.Extension()) {
				r.Delete(a.Name)
				r.Object(k.Extension()).Delete(a.Name)
			}
		}
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return fault.New(fault.ScimValue, "value: must be an object")
	}
	for _, name := range names(object) {
		p, valid := parseAttrPath(name)
		if !valid || p.Name == "" {
			return fault.New(fault.ScimPath, "the path %q is not valid", quote(name))
		}
		p.URN = path.Attr.URN
		if err := k.apply(r, op, Path{Attr: p}, object[name]); err != nil {
			return err
		}
	}
	return nil
}
