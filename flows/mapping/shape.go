package mapping

import (
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/expression"
	"github.com/celonis-connector/connector/internal/fault"
)

// noField is the name of a source that is no field, elementField that of the
// element in an expanded list's place; no field of a source is called so.
const (
	noField      = "\x00none"
	elementField = "\x00element"
)

// Protector gives the keyed hash that hides values; its key belongs to a workspace.
type Protector interface {
	// MAC makes a keyed hash of 32 bytes for one goroutine.
	MAC() hash.Hash
}

// Shape is what a flow does to records beside its rules.
type Shape struct {
	// Filter is an expression, "" for none. Expand is a JSON Pointer, "" for none; DropEmpty drops records with nothing
	// to expand.
	Filter, Expand string
	DropEmpty      bool
	// Tables are the lookup tables by name.
	Tables map[string]map[string]string
	// Agents are the lookup tables by name that agents give the values of.
	Agents map[string]Agent
	// Protector hides values; without one a row with a value to hash is an error.
	Protector Protector
	// Now is what now() gives, the same for all of a run.
	Now time.Time
}

// ShapeOf gives a flow's shape with the lookup tables that stand in it; those
// of files are empty, and a Protector and Askers are still to be set.
func ShapeOf(spec flows.Spec) Shape {
	s := Shape{Filter: spec.Filter, Expand: spec.Expand, DropEmpty: spec.ExpandEmpty == flows.ExpandDrop}
	if len(spec.Lookups) > 0 {
		s.Tables = make(map[string]map[string]string, len(spec.Lookups))
	}
	for _, t := range spec.Lookups {
		if t.Agent == nil {
			s.Tables[t.Name] = t.Values
			continue
		}
		if s.Agents == nil {
			s.Agents = map[string]Agent{}
		}
		s.Agents[t.Name] = Agent{Prompt: t.Agent.Prompt}
	}
	return s
}

// shaping is a plan's compiled shape.
type shaping struct {
	// references are the fields that expressions read, each once.
	references []source
	filter     *computation
	expand     *source // nil for none
	dropEmpty  bool
	protector  Protector
	// secrets are the fields whose values are protected; all hides every field.
	secrets []source
	all     bool
	dynamic bool
	json    bool
}

// computation is an expression with the places of its fields among the references.
type computation struct {
	program *expression.Program
	fields  []int
}

func (c *compiler) options(boolean bool) expression.Options {
	return expression.Options{Boolean: boolean, Now: c.opt.Shape.Now, Tables: c.opt.Shape.Tables}
}

// shape makes the plan's shape where the flow has one.
func (c *compiler) shape(rules []flows.Rule) {
	s := c.opt.Shape
	if s.Filter == "" && s.Expand == "" && !slices.ContainsFunc(rules, isShaped) {
		return
	}
	c.plan.shape = &shaping{dropEmpty: s.DropEmpty, protector: s.Protector, json: c.opt.JSON}
	if s.Expand == "" {
		return
	}
	at, err := fieldOf(s.Expand)
	switch {
	case s.Expand[0] != '/':
		err = errors.New(`a JSON Pointer begins with "/"`)
	case len(rules) == 0:
		err = errors.New("it needs a mapping that names what becomes of an element")
	}
	if err != nil {
		c.fault("/expand", fault.MappingRule, "the list %q cannot be expanded: %s", s.Expand, err)
		return
	}
	c.reads("/expand", at.name)
	c.plan.shape.expand = &at
}

// isShaped reports whether a rule does more than take a field.
func isShaped(r flows.Rule) bool { return r.Expr != "" || r.Lookup != nil || r.Protect != nil }

// inElement leads a source that goes through the expanded list into its element.
func (c *compiler) inElement(s source) source {
	if c.plan.shape == nil || c.plan.shape.expand == nil {
		return s
	}
	list := c.plan.shape.expand
	if s.name != list.name || !isPrefix(list.path, s.path) {
		return s
	}
	return source{text: s.text, name: elementField, path: s.path[len(list.path):]}
}

// isPrefix reports whether the way p leads through all of prefix.
func isPrefix(prefix, p []token) bool {
	return len(p) >= len(prefix) && slices.EqualFunc(prefix, p[:len(prefix)], func(a, b token) bool { return a.name == b.name })
}

// computed compiles a rule's expression.
func (c *compiler) computed(at string, rule flows.Rule) *computation {
	if rule.From != "" {
		c.fault(at+"/from", fault.MappingRule, "column %q has a source and an expression; it takes one of them", rule.To)
	}
	if rule.Format != "" {
		c.fault(at+"/format", fault.MappingRule, "column %q has a format and an expression; an expression reads with date(text, layout) or float(text, \",\")", rule.To)
	}
	return c.expression(at+"/expr", fault.MappingExpression, rule.Expr, c.options(false))
}

// filter compiles the filter.
func (c *compiler) filter() {
	if c.opt.Shape.Filter == "" {
		return
	}
	c.plan.shape.filter = c.expression("/filter", fault.FilterExpression, c.opt.Shape.Filter, c.options(true))
}

// expression compiles one; nil when it is faulty.
func (c *compiler) expression(pointer string, code fault.Code, text string, opt expression.Options) *computation {
	program, err := expression.Compile(text, opt)
	if err != nil {
		c.fault(pointer, code, "the expression %q is not valid: %s", shorten([]byte(text)), err)
		return nil
	}
	s := c.plan.shape
	comp := &computation{program: program}
	s.dynamic = s.dynamic || program.Dynamic()
	for _, name := range program.Fields() {
		field, err := fieldOf(name)
		if err != nil {
			c.fault(pointer, code, "the expression %q has the field %q: %s", shorten([]byte(text)), name, err)
			return nil
		}
		c.reads(pointer, field.name)
		comp.fields = append(comp.fields, c.reference(c.inElement(field)))
	}
	return comp
}

// lookup is a compiled flows.RuleLookup.
type lookup struct {
	table map[string]string
	// agent is asked in place of the table; nil for none.
	agent      *agentLookup
	standard   string
	hasDefault bool
}

func (c *compiler) lookup(at string, col *column, rule flows.Rule) {
	if rule.Lookup == nil {
		return
	}
	table, known := c.opt.Shape.Tables[rule.Lookup.Table]
	agent, asks := c.opt.Shape.Agents[rule.Lookup.Table]
	if !known && !asks {
		c.fault(at+"/lookup/table", fault.MappingLookup, "there is no lookup table %q", rule.Lookup.Table)
	}
	col.lookup = &lookup{table: table}
	if asks {
		col.lookup.agent = c.agent(at, rule, agent)
	}
	if rule.Lookup.Default != nil {
		col.lookup.standard, col.lookup.hasDefault = string(*rule.Lookup.Default), true
	}
}

// lookups checks the flow's tables.
func (c *compiler) lookups(tables []flows.LookupTable) {
	seen := map[string]bool{}
	for i, t := range tables {
		at := fmt.Sprintf("/lookups/%d", i)
		if seen[t.Name] {
			c.fault(at+"/name", fault.MappingLookup, "the lookup table %q comes twice", t.Name)
		}
		seen[t.Name] = true
		ofFile := t.Format != "" || t.Key != "" || t.Value != ""
		if t.Agent != nil {
			if t.FileID != "" || t.Values != nil || ofFile {
				c.fault(at, fault.MappingLookup, "the lookup table %q has an agent beside values or a file; it takes one of them", t.Name)
			}
			if _, err := parsePrompt(t.Agent.Prompt); err != nil {
				c.fault(at+"/agent/prompt", fault.MappingLookup, "the prompt of the lookup table %q is not valid: %s", t.Name, err)
			}
			if out := t.Agent.Output; strings.HasPrefix(out, "/") {
				if _, err := fieldOf(out); err != nil {
					c.fault(at+"/agent/output", fault.MappingLookup, "the output of the lookup table %q is no JSON Pointer: %s", t.Name, err)
				}
			}
			continue
		}
		switch {
		case t.FileID == "" && t.Values == nil:
			c.fault(at, fault.MappingLookup, "the lookup table %q has neither values nor a fileId nor an agent", t.Name)
		case t.FileID != "" && t.Values != nil:
			c.fault(at, fault.MappingLookup, "the lookup table %q has values and a fileId; it takes one of them", t.Name)
		case t.FileID == "" && ofFile:
			c.fault(at, fault.MappingLookup, "the lookup table %q has format, key or value, which only a table of a file takes", t.Name)
		case t.FileID != "" && (t.Format == "" || t.Key == "" || t.Value == ""):
			c.fault(at, fault.MappingLookup, "the lookup table %q of a file needs format, key and value", t.Name)
		}
	}
}

// hide finds what must stay out of messages and kept records: the fields that
// protected columns are made from.
func (c *compiler) hide() {
	s := c.plan.shape
	if s == nil {
		return
	}
	for i := range c.plan.columns {
		col := &c.plan.columns[i]
		if col.protect == nil {
			continue
		}
		col.hidden = true
		if col.computed == nil {
			s.secrets = append(s.secrets, col.source)
			continue
		}
		s.all = s.all || col.computed.program.Dynamic()
		for _, f := range col.computed.fields {
			s.secrets = append(s.secrets, s.references[f])
		}
	}
	for i := range c.plan.columns {
		col := &c.plan.columns[i]
		col.hidden = col.hidden || s.all || c.isSecret(col.source)
		if col.computed != nil {
			col.hidden = col.hidden || len(s.secrets) > 0 && col.computed.program.Dynamic() ||
				slices.ContainsFunc(col.computed.fields, func(f int) bool { return c.isSecret(s.references[f]) })
		}
	}
}

// isSecret reports whether a source shows a protected value, or a part of one.
func (c *compiler) isSecret(s source) bool {
	list := c.plan.shape.expand
	return slices.ContainsFunc(c.plan.shape.secrets, func(secret source) bool {
		switch {
		case list == nil:
		case secret.name == elementField && s.name == list.name:
			return true
		case s.name == elementField && secret.name == list.name && isPrefix(secret.path, list.path):
			return true
		}
		return secret.name == s.name && (isPrefix(secret.path, s.path) || isPrefix(s.path, secret.path))
	})
}

// hides reports whether the plan protects anything.
func (s *shaping) hides() bool { return s != nil && (s.all || len(s.secrets) > 0) }

// lowerTitle gives a code's title as a message.
func lowerTitle(code fault.Code) string {
	title := fault.Describe(code).Title
	return strings.ToLower(title[:1]) + title[1:]
}
