package endpoint

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
)

// scimRows reads rows of users or groups.
type scimRows struct {
	kind      provision.Kind
	separator string
}

// scimRow is one row in clean form.
type scimRow struct {
	provision.Entry
	// members are what the row says of a group's, told whether it speaks of them, and wrong why they cannot be read.
	members []string
	told    bool
	wrong   *fault.Error
}

// check finds out whether rows of a schema tell of users or groups. Fault FlowInvalid.
func (r scimRows) check(schema columns.Schema) error {
	for _, f := range schema {
		if !slices.Contains(provision.Attributes(r.kind), provision.Attribute(f.Name)) {
			return fault.New(fault.FlowInvalid, "the column %q is no attribute of a %s", f.Name, r.kind.One()).
				WithHint("nothing was written; give the flow a mapping whose columns are among %s", strings.Join(r.names(), ", "))
		}
	}
	return nil
}

func (r scimRows) names() []string {
	var names []string
	for _, a := range provision.Attributes(r.kind) {
		names = append(names, string(a))
	}
	return names
}

// row reads a row of a batch.
func (r scimRows) row(b *columns.Batch, at int) scimRow {
	entry := provision.Entry{}
	out := scimRow{}
	for i := range b.Columns {
		c := &b.Columns[i]
		if !c.Valid[at] {
			continue
		}
		text := cellText(c, at)
		if name := provision.Attribute(b.Schema[i].Name); name == provision.Members {
			out.told = true
			out.members, out.wrong = provision.ParseMembers(text, r.separator)
		} else {
			entry[name] = text
		}
	}
	out.Entry = provision.Clean(entry)
	return out
}

// cellText gives a cell as a text; the columns of a mapping may be of any type.
func cellText(c *columns.Column, at int) string {
	switch c.Type {
	case columns.String:
		return string(c.StringAt(at))
	case columns.Boolean:
		return strconv.FormatBool(c.Ints[at] != 0)
	case columns.Float:
		return strconv.FormatFloat(c.Floats[at], 'f', -1, 64)
	}
	return strconv.FormatInt(c.Ints[at], 10)
}

// scimTexts makes the inferred rules of a flow without a mapping take texts: an
// id like 007 is one, and the members of a group are long.
func scimTexts(rules []flows.Rule) []flows.Rule {
	out := slices.Clone(rules)
	for i := range out {
		out[i].Type, out[i].Format, out[i].Length = columns.String.String(), "", columns.MaxStringBytes
	}
	return out
}

// scimKeys reads who a record speaks of that could not become a row: the values
// that its rules take as they are.
type scimKeys map[provision.Attribute]string

// scimKeysOf gives how the keys are read under rules; none reads the fields of the same names.
func scimKeysOf(k provision.Kind, rules []flows.Rule) scimKeys {
	keys := scimKeys{}
	for _, a := range []provision.Attribute{provision.ExternalID, k.Naming()} {
		if len(rules) == 0 {
			keys[a] = string(a)
			continue
		}
		i := slices.IndexFunc(rules, func(r flows.Rule) bool { return r.To == string(a) })
		if i < 0 || rules[i].Expr != "" || rules[i].Lookup != nil || rules[i].Protect != nil {
			continue
		}
		from := rules[i].From
		if from == "" {
			from = rules[i].To
		}
		keys[a] = from
	}
	return keys
}

// of reads the keys of a record; it is empty when none can be read.
func (k scimKeys) of(e flows.RecordError) provision.Entry {
	object := e.Object
	if e.DataIsObject {
		object = e.Data
	}
	out := provision.Entry{}
	if e.Truncated || len(object) == 0 || !json.Valid(object) {
		return out
	}
	for a, field := range k {
		out[a] = flows.FieldText(object, field)
	}
	return provision.Clean(out)
}
