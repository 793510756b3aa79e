package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/expression"
	"github.com/celonis-connector/connector/internal/fault"
)

// promptValue is the placeholder of the value that is looked up.
const promptValue = "value"

// part is a piece of a prompt: a text, or what stands for a field or the value.
type part struct {
	text string
	// name is the placeholder's, "" for a text.
	name string
	// field is the place of its field among the references, -1 for the value.
	field int
}

// parsePrompt cuts a prompt into its parts; fields are still to be found.
func parsePrompt(text string) (parts []part, err error) {
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			parts = append(parts, part{text: plain.String()})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c:
			plain.WriteByte(c)
			i++
		case c == '}':
			return nil, errors.New("a } has no {; write }} for a brace")
		case c == '{':
			name, rest, closed := strings.Cut(text[i+1:], "}")
			if !closed || name == "" || strings.Contains(name, "{") {
				return nil, errors.New("a { has no name and }; write {{ for a brace")
			}
			flush()
			parts = append(parts, part{name: name, field: -1})
			i = len(text) - len(rest) - 1
		default:
			plain.WriteByte(c)
		}
	}
	flush()
	if !slices.ContainsFunc(parts, func(p part) bool { return p.name == promptValue }) {
		return nil, errors.New("it has no {value}, which stands for the value to look up")
	}
	return parts, nil
}

// agentLookup is a compiled lookup that asks an agent.
type agentLookup struct {
	asker Asker
	parts []part
	// fields are those that the prompt names.
	fields computation
}

// agent compiles a rule's lookup that asks an agent.
func (c *compiler) agent(at string, rule flows.Rule, agent Agent) *agentLookup {
	parts, err := parsePrompt(agent.Prompt)
	if err != nil {
		// Check tells it at the lookup itself.
		if !c.checking {
			c.fault(at+"/lookup/table", fault.MappingLookup, "the prompt of the lookup table %q is not valid: %s", rule.Lookup.Table, err)
		}
		return nil
	}
	out := &agentLookup{asker: agent.Asker, parts: parts}
	for i := range parts {
		p := &parts[i]
		if p.name == "" || p.name == promptValue {
			continue
		}
		field, err := fieldOf(p.name)
		if err != nil {
			c.fault(at+"/lookup/table", fault.MappingLookup, "the prompt of the lookup table %q has the field %q: %s", rule.Lookup.Table, p.name, err)
			return nil
		}
		c.reads(at+"/lookup/table", field.name)
		p.field = len(out.fields.fields)
		out.fields.fields = append(out.fields.fields, c.reference(c.inElement(field)))
	}
	return out
}

// reference gives the place of a field among those that are read for computing.
func (c *compiler) reference(field source) int {
	s := c.plan.shape
	i := slices.IndexFunc(s.references, func(r source) bool { return r.text == field.text })
	if i < 0 {
		i = len(s.references)
		s.references = append(s.references, field)
	}
	return i
}

// openSecrets finds columns that would tell an agent what a rule protects.
func (c *compiler) openSecrets(rules []flows.Rule) {
	for i := range c.plan.columns {
		col := &c.plan.columns[i]
		if col.lookup == nil || col.lookup.agent == nil {
			continue
		}
		at := fmt.Sprintf("/mapping/%d/lookup/table", i)
		told := col.hidden || slices.ContainsFunc(col.lookup.agent.fields.fields, func(f int) bool {
			return c.plan.shape.all || c.isSecret(c.plan.shape.references[f])
		})
		if told {
			c.fault(at, fault.MappingLookup, "column %q asks an agent with a field that a rule protects, and the agent would be told its value", rules[i].To)
		}
	}
}

// promptLength is the longest question, in bytes.
const promptLength = 32_000

// question writes what an agent is asked for row r.
func (a *Applier) question(l *agentLookup, value []byte, r int) (string, error) {
	values, err := a.arguments(&l.fields, a.raw, r)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range l.parts {
		switch {
		case p.name == "":
			b.WriteString(p.text)
		case p.field < 0:
			b.Write(value)
		case values[p.field] != nil:
			text, _, err := expression.ToText(values[p.field])
			if err != nil {
				return "", fmt.Errorf("field %q: %w", p.name, err)
			}
			b.WriteString(text)
		}
		if b.Len() > promptLength {
			return "", fmt.Errorf("it is longer than %d bytes", promptLength)
		}
	}
	return strings.ToValidUTF8(b.String(), "\ufffd"), nil
}
