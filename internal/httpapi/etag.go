package httpapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// etag gives the ETag of a revision.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// precondition is an If-Match header.
type precondition struct {
	given bool
	any   bool
	tags  []string
}

func (r *call) ifMatch() precondition {
	header := strings.TrimSpace(strings.Join(r.Request.Header.Values("If-Match"), ","))
	return precondition{given: header != "", any: header == "*", tags: splitTags(header)}
}

// allows compares strongly, as RFC 9110 wants it for If-Match: a weak tag never
// fits. Fault RequestStale.
func (p precondition) allows(revision int64) error {
	if !p.given || p.any || slices.Contains(p.tags, etag(revision)) {
		return nil
	}
	return fault.New(fault.RequestStale, "the resource is at ETag %s", etag(revision)).
		WithHint("read it again, repeat the change on what it is now, and send its ETag as If-Match")
}

// expected gives the revision that a write must meet: 0, any, without If-Match.
// load tells the current one; it is asked only when it is needed.
func (p precondition) expected(load func() (int64, error)) (int64, error) {
	if !p.given {
		return 0, nil
	}
	revision, err := load()
	if err != nil {
		return 0, err
	}
	return revision, p.allows(revision)
}

// notModified reports whether If-None-Match has the revision's tag; it compares weakly.
func (r *call) notModified(revision int64) bool {
	header := strings.TrimSpace(strings.Join(r.Request.Header.Values("If-None-Match"), ","))
	if header == "*" {
		return true
	}
	for _, tag := range splitTags(header) {
		if strings.TrimPrefix(tag, "W/") == etag(revision) {
			return true
		}
	}
	return false
}

func splitTags(header string) []string {
	tags := strings.Split(header, ",")
	for i := range tags {
		tags[i] = strings.TrimSpace(tags[i])
	}
	return tags
}
