package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// maxDetails is how many faults the message of a fault spells out; its
	// Fields hold all of them.
	maxDetails = 10
	// maxListed is how many field names a hint lists.
	maxListed = 20
	// maxSimilar is how many near names a hint offers.
	maxSimilar = 3
)

// CheckKeys finds keys that are no columns of the schema. The fault is
// mapping.key_not_found with pointers such as /import/keys/0.
func CheckKeys(schema columns.Schema, keys []string) error {
	if faults := missingKeys(schema, keys); len(faults) > 0 {
		return joined(faults, similarHint(firstMissing(schema, keys), schema.Names()))
	}
	return nil
}

func missingKeys(schema columns.Schema, keys []string) (faults []fault.Field) {
	for i, key := range keys {
		if schema.Index(key) < 0 {
			faults = append(faults, fault.Field{Pointer: fmt.Sprintf("/import/keys/%d", i), Code: fault.MappingKey,
				Detail: fmt.Sprintf("the key %q is not a column of the mapping", key)})
		}
	}
	return faults
}

func firstMissing(schema columns.Schema, keys []string) string {
	for _, key := range keys {
		if schema.Index(key) < 0 {
			return key
		}
	}
	return ""
}

// joined makes one fault of many. It has their code when all share it.
func joined(faults []fault.Field, hint string) error {
	code := faults[0].Code
	var details []string
	for _, f := range faults {
		if f.Code != code {
			code = fault.FlowInvalid
		}
		details = append(details, f.Detail)
	}
	message := strings.Join(details[:min(len(details), maxDetails)], "; ")
	if more := len(details) - maxDetails; more > 0 {
		message += fmt.Sprintf("; and %d more", more)
	}
	err := fault.New(code, "%s", message).WithFields(faults...)
	if hint == "" {
		return err
	}
	return err.WithHint("%s", hint)
}

// similarHint offers the names nearest to one that is not there, else lists the names.
func similarHint(name string, names []string) string {
	if near := similar(name, names); len(near) > 0 {
		return fmt.Sprintf("did you mean %s in place of %q", quoted(near, " or "), name)
	}
	if len(names) == 0 {
		return ""
	}
	hint := "the names are " + quoted(names[:min(len(names), maxListed)], ", ")
	if more := len(names) - maxListed; more > 0 {
		hint += fmt.Sprintf(" and %d more", more)
	}
	return hint
}

func quoted(names []string, between string) string {
	q := make([]string, len(names))
	for i, name := range names {
		q[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(q, between)
}

// similar gives the names nearest to name, best first: those that differ by
// case and punctuation, by a few letters, or by what stands in front or behind.
func similar(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	plain := lettersOf(name)
	for _, other := range names {
		p := lettersOf(other)
		most := max(1, min(len(plain), len(p))/3)
		d := editDistance(plain, p, most)
		if d > most && min(len(plain), len(p)) >= 3 && (strings.Contains(p, plain) || strings.Contains(plain, p)) {
			d = most
		}
		if d <= most {
			near = append(near, candidate{other, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	out := make([]string, 0, maxSimilar)
	for _, c := range near[:min(len(near), maxSimilar)] {
		out = append(out, c.name)
	}
	return out
}

// lettersOf is a name in lower case without blanks and punctuation.
func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// editDistance counts the letters to insert, delete or replace; more than most
// is told as most+1.
func editDistance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], most+1)
}
