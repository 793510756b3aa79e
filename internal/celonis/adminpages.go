package celonis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// APIVersion is the generation of a Celonis API.
type APIVersion string

// The generations of the audit log, of platform adoption and of PQL exports.
const (
	// VersionAuto is Version2 where the team has it, else Version1.
	VersionAuto APIVersion = "auto"
	Version1    APIVersion = "v1"
	Version2    APIVersion = "v2"
)

// Period bounds events by their time; a zero time is open.
type Period struct{ From, To time.Time }

// Told is what Celonis said about a list beside its records, and how many came.
type Told struct {
	Records int64
	// Total is how many records Celonis said there are, -1 when it did not say.
	Total int64
	// Moved says that Total changed from one page to the next: the list was written to while it was read.
	Moved bool
}

const (
	// adminPageSize is the largest page that the admin APIs give.
	adminPageSize = 200
	// maxAdminPages bounds one list.
	maxAdminPages = 200_000
	// adminTime is the form of times in queries: ISO 8601 in UTC, without a zone.
	adminTime = "2006-01-02T15:04:05"
	// adminWait is how long a spent rate without a time is waited out.
	adminWait = 2 * time.Second
	// longestAdminWait is the longest wait within one list, whose reading would begin anew otherwise; maxAdminWaits bounds
	// those of one page.
	longestAdminWait = 10 * time.Minute
	maxAdminWaits    = 20
)

// query writes the period in the form of the admin APIs, a second wider at most.
func (p Period) query() url.Values {
	q := url.Values{}
	if !p.From.IsZero() {
		q.Set("from", p.From.UTC().Truncate(time.Second).Format(adminTime))
	}
	if !p.To.IsZero() {
		q.Set("to", p.To.UTC().Add(time.Second-1).Truncate(time.Second).Format(adminTime))
	}
	return q
}

// adminList is a list of the admin APIs.
type adminList struct {
	// what completes "the request to ..."; path and query name the list.
	what, path string
	query      url.Values
	// needs is what the token of an OAuth client must be allowed to do.
	needs connections.Operation
	// cursor says that pages follow each other by token, not by number.
	cursor bool
}

// adminPage is a page of either generation.
type adminPage struct {
	Content       *[]json.RawMessage `json:"content"`
	PageNumber    *number            `json:"pageNumber"`
	PageSize      number             `json:"pageSize"`
	TotalCount    json.RawMessage    `json:"totalCount"`
	NextPageToken text               `json:"nextPageToken"`
}

func (p *adminPage) records() []json.RawMessage {
	if p.Content == nil {
		return nil
	}
	return *p.Content
}

// total is -1 when the page does not tell it.
func (p *adminPage) total() int64 {
	n, err := strconv.ParseInt(wordOf(p.TotalCount), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// readAdmin hands every record of a list over, in the order in which they come.
// An error of each ends it and comes back as it is. Faults: SourceCursorLoop
// when Celonis gives a page again, CelonisAnswer for what is no page.
func (c *Client) readAdmin(ctx context.Context, l adminList, each func(json.RawMessage) error) (Told, error) {
	told := Told{Total: -1}
	seen := map[[sha256.Size]byte]bool{}
	for n, token := 0, ""; n < maxAdminPages; n++ {
		p, err := c.adminPage(ctx, l, n, token)
		if n > 0 && told.Records == told.Total && isBeyond(err) {
			return told, nil
		}
		if err != nil {
			return told, err
		}
		for _, record := range p.records() {
			if err := each(record); err != nil {
				return told, err
			}
			told.Records++
		}
		told.hear(p.total())
		if !l.cursor {
			if end, err := l.lastByNumber(p, n, told); end || err != nil {
				return told, err
			}
			continue
		}
		if token = string(p.NextPageToken); token == "" {
			return told, nil
		}
		if sum := sha256.Sum256([]byte(token)); !seen[sum] {
			seen[sum] = true
			continue
		}
		return told, fault.New(fault.SourceCursorLoop, "the answer to the request to %s gives the same nextPageToken twice, after %d records", l.what, told.Records).
			WithHint("Celonis's cursor goes in a circle: read the list by pages with version v1, or tell Celonis support")
	}
	return told, fault.New(fault.SourceTooManyPages, "the answer to the request to %s has more than %d pages", l.what, maxAdminPages)
}

// isBeyond reports whether an error may stand for the page behind the last one.
func isBeyond(err error) bool {
	return fault.Has(err, fault.CelonisNotFound) || fault.Has(err, fault.CelonisRejected)
}

func (t *Told) hear(total int64) {
	if total < 0 {
		return
	}
	t.Moved = t.Moved || t.Total >= 0 && t.Total != total
	t.Total = total
}

// lastByNumber reports whether there is no page after the n-th. What Celonis
// tells of the total does not end the list, it only keeps a short page from ending it.
func (l adminList) lastByNumber(p *adminPage, n int, told Told) (bool, error) {
	if p.PageNumber != nil && int(*p.PageNumber) != n && len(p.records()) > 0 {
		return false, fault.New(fault.SourceCursorLoop, "celonis answers page %d to the request to %s where page %d was asked for", *p.PageNumber, l.what, n)
	}
	size := adminPageSize
	if p.PageSize > 0 && p.PageSize < adminPageSize {
		size = int(p.PageSize)
	}
	got := len(p.records())
	return got == 0 || got < size && told.Records >= told.Total, nil
}

func (c *Client) adminPage(ctx context.Context, l adminList, n int, token string) (*adminPage, error) {
	query := url.Values{}
	for name, values := range l.query {
		query[name] = values
	}
	switch {
	case !l.cursor:
		query.Set("pageNumber", strconv.Itoa(n))
		query.Set("pageSize", strconv.Itoa(adminPageSize))
	case token != "":
		query.Set("pageToken", token)
	}
	p := &adminPage{}
	k := call{op: operation{areaAdmin, l.what}, method: http.MethodGet, path: l.path, query: query, repeatable: true, out: p}
	r, err := c.patiently(ctx, k)
	if err != nil {
		return nil, c.scoped(err, l.needs)
	}
	if r.status == http.StatusNoContent || len(bytes.TrimSpace(r.body)) == 0 {
		return p, nil
	}
	if err := c.decode(k, r); err != nil {
		return nil, err
	}
	if p.Content == nil && !bytes.Contains(r.body, []byte(`"content"`)) {
		return nil, fault.New(fault.CelonisAnswer, "the answer to the request to %s has no content", l.what).WithHint("%s", domainHint)
	}
	return p, nil
}

// answer makes a call and gives its success as it is.
func (c *Client) answer(ctx context.Context, k call) (*reply, error) {
	r, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	if r.status < http.StatusOK || r.status >= http.StatusMultipleChoices {
		return nil, c.statusFault(k.op, r)
	}
	return r, nil
}

// patiently is answer for a call in the middle of something long, which waits out a spent rate.
func (c *Client) patiently(ctx context.Context, k call) (r *reply, err error) {
	for range maxAdminWaits {
		r, err = c.answer(ctx, k)
		if !fault.Has(err, fault.CelonisRateLimited) {
			return r, err
		}
		wait := max(fault.From(err).ResumeAt.Sub(c.now()), 0)
		if wait > longestAdminWait {
			return nil, err
		}
		if err := pace.Rest(ctx, wait); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// scoped tells an OAuth client that may not do something which scope it takes.
func (c *Client) scoped(err error, op connections.Operation) error {
	if c.authType != connections.OAuth2 || !fault.Has(err, fault.CelonisForbidden) {
		return err
	}
	return fault.From(err).WithHint("a token needs scope and permission: add the scope %s to the connection and, %s > Define scopes; and %s",
		strings.Join(connections.ScopesFor(op), " or "), clientPlace, permissionPlace("the OAuth client", areaAdmin))
}

// readEither reads the list of the newer generation where the team has it and nothing else is wanted.
func (c *Client) readEither(ctx context.Context, v APIVersion, older adminList, newer string, each func(json.RawMessage) error) (Told, error) {
	if v == Version1 {
		return c.readAdmin(ctx, older, each)
	}
	l := older
	l.path, l.cursor = newer, true
	told, err := c.readAdmin(ctx, l, each)
	if v != Version2 && told.Records == 0 && isUnknownRoute(err) {
		return c.readAdmin(ctx, older, each)
	}
	return told, err
}

// isUnknownRoute reports whether an error says that there is no such API.
func isUnknownRoute(err error) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	return status.status == http.StatusNotFound || status.status == http.StatusMethodNotAllowed || status.status == http.StatusNotImplemented
}
