package flows

// SchemaPolicy says what a run does with a value that contradicts the type of
// its column, and with a field that its table has no column for.
type SchemaPolicy string

const (
	// Evolve widens the column (integer, float, string; date, datetime, string; longer text), adds one for a new field, and
	// starts the push over: the table ends as if the sample had been the whole source.
	Evolve SchemaPolicy = "evolve"
	// Freeze fails the run with MappingSchema.
	Freeze SchemaPolicy = "freeze"
	// DiscardRow sends the record to the error store.
	DiscardRow SchemaPolicy = "discardRow"
	// DiscardValue sets the value to null, or leaves the new field out, and counts it in a warning of the run. A value that a
	// key or a required column needs still sends its record to the error store.
	DiscardValue SchemaPolicy = "discardValue"
)

// Policy is the schema policy that holds: what the spec says, else Evolve for
// inferred types and DiscardRow for those of a mapping.
func (s Spec) Policy() SchemaPolicy {
	switch {
	case s.SchemaPolicy != "":
		return s.SchemaPolicy
	case len(s.Mapping) == 0:
		return Evolve
	}
	return DiscardRow
}
