package scim

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

// maxText bounds a text of a resource, in bytes.
const maxText = 4 << 10

// Validate holds a normalized resource against what its kind must have:
// required attributes, a userName that is an e-mail address, lengths, members
// with ids. Whether a name is taken is the server's to tell. Faults, all at
// once: ScimValue.
func Validate(k Kind, r Resource) error {
	var found findings
	for _, a := range k.core() {
		if a.Required && blank(r.Get(a.Name)) {
			found.add("/"+a.Name, fault.ScimValue, "is required")
		}
	}
	if k == KindUser && !blank(r.Get("userName")) && !isAddress(r.Text("userName")) {
		found.add("/userName", fault.ScimValue, "must be an e-mail address: Celonis invites and knows people by it")
	}
	if n := utf8.RuneCountInString(r.Text("displayName")); n > MaxName {
		found.add("/displayName", fault.ScimValue, "has %d characters where Celonis takes %d", n, MaxName)
	}
	for i, member := range flat(r.Get("members")) {
		if o, _ := member.(map[string]any); blank(Resource(o).Get("value")) {
			found.add(fmt.Sprintf("/members/%d/value", i), fault.ScimValue, "is required: the id of a user")
		}
	}
	checkTexts("", map[string]any(r), &found)
	return found.fault()
}

func blank(v any) bool {
	if v == nil {
		return true
	}
	text, ok := v.(string)
	return ok && strings.TrimSpace(text) == ""
}

// isAddress reports whether a text has the form of an e-mail address.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(text, " \t\r\n<>\"(),;:\\[]") &&
		!strings.Contains(domain, "@") && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".") && len(text) <= 254
}

// checkTexts bounds every text and wants it free of control characters.
func checkTexts(pointer string, v any, found *findings) {
	switch v := v.(type) {
	case string:
		if len(v) > maxText {
			found.add(pointer, fault.ScimValue, "is longer than %d bytes", maxText)
		} else if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f || c == utf8.RuneError }) {
			found.add(pointer, fault.ScimValue, "has characters that no name has")
		}
	case []any:
		for i, item := range v {
			checkTexts(fmt.Sprintf("%s/%d", pointer, i), item, found)
		}
	case map[string]any:
		for _, name := range names(v) {
			checkTexts(pointer+"/"+escape(name), v[name], found)
		}
	}
}

// CheckMutability refuses changes of what cannot change: fault ScimMutability
// for another id, and for another userName, which Celonis never lets change.
func CheckMutability(k Kind, was, is Resource) error {
	if id := is.Text("id"); id != "" && id != was.Text("id") {
		return fault.New(fault.ScimMutability, "id: the id of a resource cannot be changed")
	}
	if k == KindUser && !strings.EqualFold(was.Text("userName"), is.Text("userName")) && was.Text("userName") != "" {
		return errUserName()
	}
	return nil
}

func errUserName() error {
	return fault.New(fault.ScimMutability, "userName: Celonis does not let the e-mail address of a user be changed").
		WithHint("deactivate this user and create one with the new address")
}
