package connections

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
)

// uuidLength is the length of a UUID with its hyphens.
const uuidLength = 36

// authorityForm is what may stand before the path of a pool's address.
var authorityForm = regexp.MustCompile("^" + poolAuthority + "$")

const poolHint = "in Celonis open Data Integration and the data pool: the id is the UUID in the address, .../integration/ui/pools/<id>"

// PoolRef is a data pool as a person names it.
type PoolRef struct {
	// ID is a UUID in lower case.
	ID string
	// Host is the host of the pasted address, "" when only an id was given. It
	// is not checked: compare it with a connection's domain and use it for nothing else.
	Host string
}

// ParsePoolID reads a pool id, or the address of a page of the pool in
// Celonis. Anything else is fault ConnectionPoolID with a hint.
func ParsePoolID(input string) (PoolRef, error) {
	text := strings.ToLower(strings.TrimSpace(input))
	if isUUID(text) {
		return PoolRef{ID: text}, nil
	}
	if !strings.ContainsAny(text, "/?#") {
		return PoolRef{}, refusePool("the pool id %q is not a UUID", clip(strings.TrimSpace(input)))
	}
	if len(text) > maxPasted {
		return PoolRef{}, refusePool("the pool id is longer than %d characters", maxPasted)
	}
	_, host, rest, err := splitAddress(text)
	if err != nil || !authorityForm.MatchString(host) {
		return PoolRef{}, refusePool("the pool's address has no host that could be read")
	}
	id := poolInPath(rest)
	switch {
	case id == "":
		return PoolRef{}, refusePool("the address holds no pool id")
	case strings.ContainsFunc(rest, unicode.IsSpace):
		return PoolRef{}, refusePool("the pool's address holds white space")
	}
	return PoolRef{ID: id, Host: strings.TrimSuffix(host, ".")}, nil
}

func refusePool(format string, args ...any) *fault.Error {
	return fault.New(fault.ConnectionPoolID, format, args...).WithHint("%s", poolHint)
}

// poolInPath finds the UUID that follows the word for a pool in the path (or
// the client-side route) of a Celonis page, "" without one.
func poolInPath(path string) string {
	segments := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/?#&=", r) })
	for i, segment := range segments[:max(len(segments)-1, 0)] {
		switch segment {
		case "pools", "pool", "data-pools", "data-pool", "poolid":
			if id := segments[i+1]; isUUID(id) {
				return id
			}
		}
	}
	return ""
}

// isUUID tells a UUID in its form with hyphens; s is in lower case.
func isUUID(s string) bool {
	return len(s) == uuidLength && uuid.Validate(s) == nil
}
