package strictjson

// Merge applies d as a JSON merge patch (RFC 7396) to target and leaves both
// as they are. A member that the patch removes stays as null, which Decode
// reads as absent: so a null for a name that no field has is told as well.
func (d *Document) Merge(target *Document) *Document {
	return &Document{root: merge(target.root, d.root), faults: append(append(faults(nil), target.faults...), d.faults...)}
}

func merge(target, patch *node) *node {
	if patch.kind != kindObject {
		return patch
	}
	if target == nil || target.kind != kindObject {
		target = &node{kind: kindObject}
	}
	merged := &node{kind: kindObject}
	for _, m := range target.members {
		if change := patch.member(m.name); change != nil {
			m.value = merge(m.value, change)
		}
		merged.members = append(merged.members, m)
	}
	for _, m := range patch.members {
		if target.member(m.name) == nil {
			merged.members = append(merged.members, member{m.name, merge(nil, m.value)})
		}
	}
	return merged
}
