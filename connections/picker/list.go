package picker

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// item is an option in the form in which it is sorted and searched.
type item struct {
	Option
	label, value string
}

// place is where an item stands in the order of a list. It is written into
// cursors, so that a list which changed between two pages gives no item twice.
type place [4]string

func (i *item) place() place { return place{i.label, i.Value, i.Schema, i.DataConnection} }

func (p place) compare(o place) int { return slices.Compare(p[:], o[:]) }

// arrange sorts options by label, whatever its case, and drops repeats.
func arrange(options []Option) []item {
	items := make([]item, 0, len(options))
	for _, o := range options {
		o.Label = cmp.Or(o.Label, o.Value)
		items = append(items, item{o, strings.ToLower(o.Label), strings.ToLower(o.Value)})
	}
	slices.SortStableFunc(items, func(a, b item) int { return a.place().compare(b.place()) })
	return slices.CompactFunc(items, func(a, b item) bool { return a.place() == b.place() })
}

// part gives the items that hold search, from after a place on, at most limit
// of them; more says that others follow.
func part(items []item, search string, after *place, limit int) (found []item, more bool) {
	from := 0
	if after != nil {
		at, exact := slices.BinarySearchFunc(items, *after, func(i item, p place) int { return i.place().compare(p) })
		from = at
		if exact {
			from++
		}
	}
	search = strings.ToLower(strings.TrimSpace(search))
	for _, i := range items[from:] {
		if !strings.Contains(i.label, search) && !strings.Contains(i.value, search) {
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, i)
	}
	return found, false
}

// write makes a cursor of a place.
func (p place) write() string {
	text, err := json.Marshal(p)
	if err != nil { // strings always have a JSON form
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// readCursor reads what write wrote; "" is the start. Fault RequestCursor.
func readCursor(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	var p []string
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || len(p) != len(place{}) {
		return nil, fault.New(fault.RequestCursor, "the cursor is none of ours").
			WithHint("pass the \"next\" of the answer before, or leave the cursor out to start anew")
	}
	return (*place)(p), nil
}
