package flows

import (
	"encoding/json"
	"fmt"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// ExpandEmpty says what becomes of a record whose list to expand is empty, null or missing.
type ExpandEmpty string

const (
	// ExpandKeep keeps it as one record with a null in the list's place; the default.
	ExpandKeep ExpandEmpty = "keep"
	// ExpandDrop counts it as filtered.
	ExpandDrop ExpandEmpty = "drop"
)

// RuleLookup looks a rule's value up in a table.
type RuleLookup struct {
	// Table is the Name of one of the flow's Lookups.
	Table string `json:"table" validate:"required,max=64"`
	// Default stands in for a value that the table does not have; absent is null.
	Default *Scalar `json:"default,omitempty"`
}

// ProtectMethod is a way to hide a value.
type ProtectMethod string

const (
	// ProtectFixed puts the same value in the place of every one.
	ProtectFixed ProtectMethod = "fixed"
	// ProtectSHA256 is HMAC-SHA-256 in hexadecimal, with a key of the workspace.
	ProtectSHA256 ProtectMethod = "sha256"
	// ProtectTokenise is a token of 36 characters, the same for the same value within the workspace.
	ProtectTokenise ProtectMethod = "tokenise"
)

// Protection hides the values of a column. A null stays null, and a default stays as it is written.
type Protection struct {
	Method ProtectMethod `json:"method" validate:"required,oneof=fixed sha256 tokenise"`
	// Value is what ProtectFixed puts in place, in the column's type.
	Value *Scalar `json:"value,omitempty"`
}

// MaxLookupValues bounds the entries of a lookup table.
const MaxLookupValues = 100_000

// LookupTable maps keys to values: those in Values, or two fields of an uploaded file.
type LookupTable struct {
	Name   string       `json:"name" validate:"required,max=64"`
	Values LookupValues `json:"values,omitempty"`
	// FileID names an uploaded file of Format, whose fields Key and Value are the table. Of several records with the same
	// key the last counts.
	FileID string `json:"fileId,omitempty" validate:"max=64"`
	Format Format `json:"format,omitempty" validate:"omitempty,oneof=csv ndjson json parquet"`
	Key    string `json:"key,omitempty" validate:"max=1024"`
	Value  string `json:"value,omitempty" validate:"max=1024"`
	// Agent gives the values in place of entries and a file; only rules look values up in such a table.
	Agent *AgentLookup `json:"agent,omitempty"`
}

// LookupValues are the entries of a lookup table; a value is a JSON string, number or boolean, kept as its text.
type LookupValues map[string]string

// UnmarshalJSON takes an object of scalars.
func (v *LookupValues) UnmarshalJSON(data []byte) error {
	var values map[string]Scalar
	if err := json.Unmarshal(data, &values); err != nil {
		return fault.New(fault.RequestWrongType, "must be an object of strings, numbers or booleans")
	}
	if len(values) > MaxLookupValues {
		return fault.New(fault.RequestFieldInvalid, "has %d entries, more than %d", len(values), MaxLookupValues)
	}
	*v = make(LookupValues, len(values))
	for key, value := range values {
		(*v)[key] = string(value)
	}
	return nil
}

// HasProtection reports whether a column of the flow is protected.
func (s Spec) HasProtection() bool {
	for _, r := range s.Mapping {
		if r.Protect != nil {
			return true
		}
	}
	return false
}

// fileUse is a place of a spec that names an uploaded file.
type fileUse struct{ pointer, id string }

// fileUses lists the uploaded files that a spec names.
func (s Spec) fileUses() (uses []fileUse) {
	if s.Export.FileID != "" {
		uses = append(uses, fileUse{"/export/fileId", s.Export.FileID})
	}
	for i, t := range s.Lookups {
		if t.FileID != "" {
			uses = append(uses, fileUse{fmt.Sprintf("/lookups/%d/fileId", i), t.FileID})
		}
	}
	return uses
}

// shapingHints are those of what is done to records beside the mapping.
func shapingHints() []form.Hint {
	return []form.Hint{
		{
			Path: "/expand", Label: "List to expand", Example: "/items", Refine: form.Schema{"pattern": `^(?:/(?:[^/~]|~[01])*)+$`},
			Help: "A JSON Pointer to a list: each of its elements becomes a record, in which it stands in the list's place. The mapping reads /items/sku of an element.",
		},
		{
			Path: "/expandEmpty", Label: "Records without elements", Default: ExpandKeep, Help: "What becomes of a record whose list is empty or missing.",
			Titles: map[string]string{string(ExpandKeep): "Keep one record without the element", string(ExpandDrop): "Count it as filtered"},
		},
		{
			Path: "/filter", Label: "Filter", Example: `record["amount"] != nil && float(record["amount"]) > 0`,
			Help: "An expression; records for which it is false or null are counted as filtered. record[\"name\"] is a field, record[\"/a/b\"] what a JSON Pointer finds.",
		},
		{Path: "/lookups", Label: "Lookup tables", Help: "Tables that expressions and rules look values up in."},
		{Path: "/lookups/*/name", Label: "Name", Help: "What the table is called by.", Example: "countries"},
		{
			Path: "/lookups/*/values", Label: "Entries", Help: "The values by their keys.", Example: map[string]any{"DE": "Germany"},
			Refine: form.Schema{"type": "object", "additionalProperties": form.Schema{"type": []string{"string", "number", "boolean"}}},
		},
		{Path: "/lookups/*/fileId", Label: "File", Upload: "/v1/files", Help: "An uploaded file that holds the table in place of entries.", Example: "0199f3a0-7c1e-7b54-9a3e-2f6c1d0b8e11"},
		{Path: "/lookups/*/format", Label: "Format", Help: "How the file's records are written."},
		{Path: "/lookups/*/key", Label: "Key field", Help: "The file's field that holds the keys.", Example: "code"},
		{Path: "/lookups/*/value", Label: "Value field", Help: "The file's field that holds the values.", Example: "name"},
	}
}

// ruleShapingHints are those of what a rule does beside taking a field.
func ruleShapingHints() []form.Hint {
	return []form.Hint{
		{
			Path: "/mapping/*/expr", Label: "Expression", Example: `upper(record["name"]) + "-" + string(record["n"])`,
			Help: "Computes the value in place of a field.",
		},
		{Path: "/mapping/*/lookup", Label: "Lookup", Help: "Replaces the value by what a table has for it."},
		{Path: "/mapping/*/lookup/table", Label: "Table", Help: "The name of a lookup table of the flow.", Example: "countries"},
		{
			Path: "/mapping/*/lookup/default", Label: "Default", Help: "Stands in for a value that the table does not have. Left out, it is null.", Example: "unknown",
			Refine: form.Schema{"type": []string{"string", "number", "boolean"}},
		},
		{Path: "/mapping/*/protect", Label: "Protection", Help: "Hides the value before it leaves, and in record errors and messages."},
		{
			Path: "/mapping/*/protect/method", Label: "Method", Help: "How values are hidden.",
			Titles: map[string]string{
				string(ProtectFixed): "The same value for all", string(ProtectSHA256): "SHA-256 with a key of the workspace",
				string(ProtectTokenise): "A token, the same for the same value",
			},
		},
		{
			Path: "/mapping/*/protect/value", Label: "Value", ShowWhen: []form.When{form.Is("method", ProtectFixed)}, Example: "hidden",
			Help: "What stands in place of every value, in the column's type.", Refine: form.Schema{"type": []string{"string", "number", "boolean"}},
		},
	}
}
