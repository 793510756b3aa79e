package scim

// Member is a member of a group, or a group that a user is in.
type Member struct {
	// Value is the id that Celonis gave the resource.
	Value   string
	Display string
	Type    string
	Ref     string
}

// membersOf reads a list of members: objects with a value, or bare ids.
func membersOf(v any) []Member {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	members := make([]Member, 0, len(list))
	for _, item := range list {
		switch item := item.(type) {
		case string:
			members = append(members, Member{Value: item})
		case map[string]any:
			r := Resource(item)
			members = append(members, Member{Value: r.Text("value"), Display: r.Text("display"), Type: r.Text("type"), Ref: r.Text("$ref")})
		}
	}
	return members
}

// memberList gives members as they are written.
func memberList(members []Member) []any {
	list := make([]any, len(members))
	for i, m := range members {
		o := map[string]any{"value": m.Value}
		put(o, "display", m.Display)
		put(o, "type", m.Type)
		put(o, "$ref", m.Ref)
		list[i] = o
	}
	return list
}
