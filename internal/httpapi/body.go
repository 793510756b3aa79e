package httpapi

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
)

// readJSON reads a JSON body into a T. check adds the API's own rules. Faults:
// RequestMediaType, RequestTooLarge, RequestMalformed, RequestInvalid.
func readJSON[T any](a *api, r *call, check func(T) []fault.Field) (T, error) {
	var none T
	if _, err := r.mediaType(mediaJSON); err != nil {
		return none, err
	}
	body, err := r.body()
	if err != nil {
		return none, err
	}
	doc, err := strictjson.Parse(body)
	if err != nil {
		return none, err
	}
	return decode(a, doc, check)
}

// decode fills a T from a document. A service checks the T again and tells
// everything that it finds; where the document itself has faults, the T never
// gets there, so the rules that stand in its tags are looked at here, and all
// faults are told at once.
func decode[T any](a *api, doc *strictjson.Document, check func(T) []fault.Field) (T, error) {
	var v T
	found := doc.Decode(&v)
	if check != nil {
		found = append(found, check(v)...)
	}
	if len(found) > 0 && doc.IsObject() {
		rules := a.valid.Struct(v)
		if m, ok := any(v).(incomplete); ok {
			rules = append(rules, m.Missing()...)
		}
		found = append(found, unsaid(found, rules)...)
	}
	return v, invalid(found)
}

// incomplete is a body that knows what it lacks where its tags cannot tell.
type incomplete interface{ Missing() []fault.Field }

// unsaid gives the faults of more that found does not speak of already: a
// value of a wrong type was not taken, and must not be called missing too.
func unsaid(found, more []fault.Field) []fault.Field {
	var rest []fault.Field
	for _, f := range more {
		said := false
		for _, g := range found {
			said = said || g.Pointer == f.Pointer || strings.HasPrefix(f.Pointer, g.Pointer+"/")
		}
		if !said && len(found)+len(rest) < strictjson.MaxFaults {
			rest = append(rest, f)
		}
	}
	return rest
}

// readNothing takes no body or an empty object, which some clients always send.
func readNothing(a *api, r *call) error {
	body, err := r.body()
	if err != nil || len(body) == 0 {
		return err
	}
	_, err = readJSON[struct{}](a, r, nil)
	return err
}

// patched is what a PATCH needs to know of a resource of which W can be written.
type patched[W any] struct {
	// load reads the writable part, without secrets, and its revision.
	load func() (W, int64, error)
	// check adds the API's own rules; it may be nil.
	check func(current, changed W) []fault.Field
	// store writes the changed state where the revision still is the one that was loaded.
	store func(changed W, revision int64) (reply, error)
}

// patchTries bounds how often a patch without If-Match is applied anew because
// another write came between.
const patchTries = 5

// patch applies a JSON merge patch (RFC 7396): the current writable state,
// merged with the body, is read as strictly as the body of a create. Faults:
// those of readJSON, and RequestStale.
func patch[W any](a *api, r *call, p patched[W]) (reply, error) {
	if _, err := r.mediaType(mediaMergePatch, mediaJSON); err != nil {
		return reply{}, err
	}
	body, err := r.body()
	if err != nil {
		return reply{}, err
	}
	change, err := strictjson.Parse(body)
	if err != nil {
		return reply{}, err
	}
	match := r.ifMatch()
	for try := 1; ; try++ {
		current, revision, err := p.load()
		if err != nil {
			return reply{}, err
		}
		if err := match.allows(revision); err != nil {
			return reply{}, err
		}
		changed, err := merge(a, current, change, p.check)
		if err != nil {
			return reply{}, err
		}
		rep, err := p.store(changed, revision)
		if fault.Has(err, fault.RequestStale) && !match.given && try < patchTries {
			continue
		}
		return rep, err
	}
}

func merge[W any](a *api, current W, change *strictjson.Document, check func(current, changed W) []fault.Field) (W, error) {
	var none W
	text, err := json.Marshal(current)
	if err != nil {
		return none, fault.Wrap(err, fault.Internal, "the stored state cannot be written as JSON")
	}
	target, err := strictjson.Parse(text)
	if err != nil {
		return none, fault.Wrap(err, fault.Internal, "the stored state cannot be read")
	}
	var rules func(W) []fault.Field
	if check != nil {
		rules = func(changed W) []fault.Field { return check(current, changed) }
	}
	return decode(a, change.Merge(target), rules)
}

// isBlank reports whether a line holds nothing but spaces.
func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }
