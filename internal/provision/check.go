package provision

import (
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxName is the longest name that Celonis takes, in characters.
	MaxName = 100
	// MaxEmail is the longest e-mail address there is, in bytes.
	MaxEmail = 254
)

// Clean gives an entry in the form in which entries are compared: texts without
// blanks around them, booleans as True and False, roles in capitals, and no
// empty value. What is wrong with it stays as it is, for Check to find.
func Clean(e Entry) Entry {
	out := make(Entry, len(e))
	for a, v := range e {
		v = strings.TrimSpace(v)
		if v == "" {
			continue
		}
		switch a {
		case Active, SendInvitation:
			v = boolean(v)
		case Role:
			v = strings.ToUpper(v)
		}
		out[a] = v
	}
	return out
}

func boolean(v string) string {
	switch strings.ToLower(v) {
	case "true", "1", "yes":
		return True
	case "false", "0", "no":
		return False
	}
	return v
}

// Finding is what is wrong with one attribute of an entry.
type Finding struct {
	Attribute Attribute
	*fault.Error
}

// Check finds the first thing that Celonis would refuse in a clean entry, nil
// when there is none. Codes ScimValue and ValueTooLong.
func Check(k Kind, e Entry) *Finding {
	for _, a := range Attributes(k) {
		v, ok := e[a]
		if !ok {
			continue
		}
		if f := checkValue(a, v); f != nil {
			return &Finding{a, f}
		}
	}
	return nil
}

func checkValue(a Attribute, v string) *fault.Error {
	switch a {
	case UserName:
		if !isEmail(v) {
			return fault.New(fault.ScimValue, "userName %q is no e-mail address", v).WithHint("Celonis takes the e-mail address of the person as userName")
		}
	case DisplayName, GivenName, FamilyName, FormattedName:
		if n := utf8.RuneCountInString(v); n > MaxName {
			return fault.New(fault.ValueTooLong, "%s has %d characters, and Celonis takes %d", a, n, MaxName)
		}
	case Active, SendInvitation:
		if v != True && v != False {
			return fault.New(fault.ScimValue, "%s %q is neither true nor false", a, v)
		}
	case Role:
		if !slices.Contains(Roles(), v) {
			return fault.New(fault.ScimValue, "role %q is none of %s", v, strings.Join(Roles(), ", "))
		}
	}
	return nil
}

func isEmail(v string) bool {
	address, err := mail.ParseAddress(v)
	if err != nil || address.Address != v || address.Name != "" || len(v) > MaxEmail {
		return false
	}
	_, domain, _ := strings.Cut(v, "@")
	return strings.Contains(domain, ".") && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".") && !strings.ContainsAny(v, "\" ")
}
