package provision

import (
	"encoding/json"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// parseList reads a JSON array of texts, or of objects whose "value" is the text, as SCIM has it.
func parseList(text string) ([]string, *fault.Error) {
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, badMembers()
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		v, ok := memberOf(item)
		if !ok {
			return nil, badMembers()
		}
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out, nil
}

func memberOf(item json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(item, &text) == nil {
		return text, true
	}
	var number json.Number
	if json.Unmarshal(item, &number) == nil {
		return number.String(), true
	}
	var object struct {
		Value *string `json:"value"`
	}
	if json.Unmarshal(item, &object) == nil && object.Value != nil {
		return *object.Value, true
	}
	return "", false
}

func badMembers() *fault.Error {
	return fault.New(fault.ScimValue, "members is no JSON array of texts").WithHint("name the members in a JSON array, or one after another with import.memberSeparator between them")
}
