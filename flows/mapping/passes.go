package mapping

// Passes tells whether rows are records with the same names and values: every
// column takes the field of its own name, and a value is checked for nothing
// but what Celonis keeps. The types are the source's business.
func (p *Plan) Passes() bool {
	if p.shape != nil {
		return false
	}
	for i := range p.columns {
		c := &p.columns[i]
		if c.required || c.key || c.hasDefault || c.computed != nil || c.lookup != nil || c.protect != nil ||
			len(c.source.path) > 0 || c.source.name != c.field.Name {
			return false
		}
	}
	return true
}
