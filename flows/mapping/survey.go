package mapping

import (
	"context"
	"maps"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
)

// Survey gathers the values that contradict the columns of a plan, and the
// fields that it has no column for, and says how to widen the plan's rules so
// that all of them fit. It serves one goroutine; those of several goroutines
// are merged.
type Survey struct {
	opt     InferOptions
	known   []form
	applier *Applier
	rows    *columns.Batch
	columns []*profile // by column; nil without a contradiction
	fields  map[string]*profile
}

// NewSurvey makes a Survey of the plan.
func (p *Plan) NewSurvey(opt InferOptions) *Survey {
	s := &Survey{opt: opt, known: forms(), applier: p.NewApplier(), rows: columns.NewBatch(p.schema),
		columns: make([]*profile, len(p.columns)), fields: map[string]*profile{}}
	s.applier.survey = s
	return s
}

// Within is Applier.Within for what the survey applies.
func (s *Survey) Within(ctx context.Context) *Survey {
	s.applier.Within(ctx)
	return s
}

// Stopped is Applier.Stopped.
func (s *Survey) Stopped() error { return s.applier.Stopped() }

// Add looks at the records of raw.
func (s *Survey) Add(raw *columns.Raw) {
	s.rows.Reset()
	s.applier.Apply(raw, s.rows, nil)
	for _, extra := range raw.Extra {
		p := s.fields[extra.Name]
		if p == nil {
			made := newProfile(s.opt, s.known)
			p = &made
			s.fields[extra.Name] = p
		}
		if extra.Cell.Kind != columns.Null {
			p.add(raw.Value(extra.Cell), extra.Cell.Kind)
		}
	}
}

// AddTyped looks at the records of a typed batch.
func (s *Survey) AddTyped(b *columns.Batch) {
	s.rows.Reset()
	s.applier.ApplyTyped(b, s.rows, nil)
}

// add takes note of a value of column at.
func (s *Survey) add(at int, value []byte, x contradiction) {
	p := s.columns[at]
	if p == nil {
		made := newProfile(s.opt, s.known)
		p = &made
		s.columns[at] = p
	}
	p.add(value, x.kind)
	p.longest = max(p.longest, x.long)
}

// Merge adds what another survey of the same plan has found.
func (s *Survey) Merge(o *Survey) {
	for i, p := range o.columns {
		s.columns[i] = merged(s.columns[i], p)
	}
	for name, p := range o.fields {
		s.fields[name] = merged(s.fields[name], p)
	}
}

func merged(a, b *profile) *profile {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	a.values += b.values
	a.fits &= b.fits
	a.dates.days &= b.dates.days
	a.dates.stamps &= b.dates.stamps
	a.dates.count += b.dates.count
	a.comma.possible = a.comma.possible && b.comma.possible
	a.comma.certain = a.comma.certain || b.comma.certain
	a.longest = max(a.longest, b.longest)
	return a
}

// Fields lists the fields without a column that were found, by name.
func (s *Survey) Fields() []string { return slices.Sorted(maps.Keys(s.fields)) }

// Widen gives the rules that differ from those that the plan was compiled
// from, made wide enough for all that the survey has found, and behind them a
// rule for each of Fields. With asText every contradicted column becomes text of
// the longest length, after which nothing can contradict it.
func (s *Survey) Widen(rules []flows.Rule, asText bool) (wider []flows.Rule) {
	for i, p := range s.columns {
		switch {
		case p == nil:
		case asText:
			wider = append(wider, asString(rules[i], columns.MaxStringBytes))
		default:
			wider = append(wider, p.widen(rules[i]))
		}
	}
	for _, name := range s.Fields() {
		rule := s.fields[name].rule(name)
		if asText {
			rule = asString(rule, columns.MaxStringBytes)
		}
		wider = append(wider, rule)
	}
	return wider
}

// widen makes a rule's column take the values of the profile as well as those
// that it took before.
func (p *profile) widen(rule flows.Rule) flows.Rule {
	t, _ := columns.ParseType(rule.Type)
	length := max(rule.Length, lengthFor(p.longest))
	switch t {
	case columns.Integer:
		switch {
		case rule.Format == "" && p.fits.has(columns.Float):
			rule.Type = columns.Float.String()
			return rule
		case rule.Format == "" && p.comma.agreed():
			rule.Type, rule.Format = columns.Float.String(), formatComma
			return rule
		}
	case columns.Date:
		if rule.Format == "" {
			if p.fits.has(columns.DateTime) {
				rule.Type = columns.DateTime.String()
				return rule
			}
		} else if stamp, ok := p.dates.stampOf(rule.Format); ok {
			rule.Type, rule.Format = columns.DateTime.String(), stamp
			return rule
		}
	}
	return asString(rule, length)
}

func asString(rule flows.Rule, length int) flows.Rule {
	rule.Type, rule.Format, rule.Length = columns.String.String(), "", length
	return rule
}
