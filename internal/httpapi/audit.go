package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// Audit tells who changed what and when; *store.Store is one.
type Audit interface {
	// AuditEvents gives at most the query's limit, the newest first.
	AuditEvents(ctx context.Context, q audit.Query) ([]audit.Event, error)
}

// auditPage is how many events are in memory at a time while they are exported.
const auditPage = 500

type eventView struct {
	Seq       int64         `json:"seq"`
	ID        string        `json:"id"`
	At        time.Time     `json:"at"`
	Actor     string        `json:"actor"`
	From      *string       `json:"from"`
	RequestID *string       `json:"requestId"`
	RunID     *string       `json:"runId"`
	Worker    *string       `json:"worker"`
	Action    audit.Action  `json:"action"`
	Kind      audit.Kind    `json:"kind"`
	ObjectID  *string       `json:"objectId"`
	Name      string        `json:"name"`
	Purpose   audit.Purpose `json:"purpose,omitempty"`
	Fields    []string      `json:"fields"`
	Before    *string       `json:"before"`
	After     *string       `json:"after"`
	PrevHash  *string       `json:"prevHash"`
	Hash      *string       `json:"hash"`
}

func viewEvent(e *audit.Event) eventView {
	return eventView{
		Seq: e.Seq, ID: e.ID, At: moment(e.At), Actor: e.Actor, From: orNull(e.From), RequestID: orNull(e.RequestID), RunID: orNull(e.RunID),
		Worker: orNull(e.Worker), Action: e.Action, Kind: e.Kind, ObjectID: orNull(e.ObjectID), Name: e.Name, Purpose: e.Purpose, Fields: list(e.Fields),
		Before: orNull(e.Before), After: orNull(e.After), PrevHash: orNull(e.PrevHash), Hash: orNull(e.Hash),
	}
}

// auditFilters are the query parameters that select events.
func auditFilters() []string {
	return []string{"action", "kind", "id", "actor", "requestId", "from", "to"}
}

// auditQuery reads the filters.
func (r *call) auditQuery() (audit.Query, error) {
	q := audit.Query{Workspace: r.who.Workspace}
	var err error
	if q.Action, err = oneOf(r, "action", audit.Actions()); err != nil {
		return q, err
	}
	if q.Kind, err = oneOf(r, "kind", audit.Kinds()); err != nil {
		return q, err
	}
	for name, to := range map[string]*string{"id": &q.ObjectID, "actor": &q.Actor} {
		if *to = r.query.Get(name); *to != "" && !plausibleID(*to) {
			return q, fault.New(fault.RequestFieldInvalid, "the query parameter %q is no id", name)
		}
	}
	if q.RequestID = r.query.Get("requestId"); q.RequestID != "" && !plainRequestID(q.RequestID) {
		return q, fault.New(fault.RequestFieldInvalid, "the query parameter \"requestId\" is no id of a request")
	}
	for name, to := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		text := r.query.Get(name)
		if text == "" {
			continue
		}
		if *to, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return q, fault.New(fault.RequestFieldInvalid, "the query parameter %q must be a time as 2026-01-31T12:00:00Z", name)
		}
	}
	return q, nil
}

// oneOf reads a query parameter that has a few values; "" where it is not given.
func oneOf[T ~string](r *call, name string, values []T) (T, error) {
	given := T(r.query.Get(name))
	if given == "" || slices.Contains(values, given) {
		return given, nil
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return "", fault.New(fault.RequestFieldInvalid, "the query parameter %q must be one of %s", name, strings.Join(words, ", "))
}

func (a *api) listAuditEvents(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	q, err := r.auditQuery()
	if err != nil {
		return reply{}, err
	}
	q.After, q.Limit = p.after, p.ask()
	items, err := a.Audit.AuditEvents(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(e *audit.Event) string { return e.ID }, viewEvent)
}

// exportAuditEvents streams events as NDJSON, the newest first.
func (a *api) exportAuditEvents(r *call) (reply, error) {
	q, err := r.auditQuery()
	if err != nil {
		return reply{}, err
	}
	q.Limit = auditPage
	first, err := a.Audit.AuditEvents(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, media: mediaNDJSON, stream: func(w http.ResponseWriter) error {
		return a.writeAudit(r, w, q, first)
	}}, nil
}

func (a *api) writeAudit(r *call, w http.ResponseWriter, q audit.Query, page []audit.Event) (err error) {
	control := http.NewResponseController(w)
	for len(page) > 0 {
		// Writers that know no deadline, as those of tests, have none to move.
		_ = control.SetWriteDeadline(time.Now().Add(exportPatience))
		for i := range page {
			line, err := encode(viewEvent(&page[i]))
			if err != nil {
				return err
			}
			if _, err := w.Write(line); err != nil {
				return fmt.Errorf("the caller left: %w", err)
			}
		}
		if len(page) < auditPage {
			return nil
		}
		q.After = page[len(page)-1].ID
		if page, err = a.Audit.AuditEvents(r.ctx(), q); err != nil {
			return err
		}
	}
	return nil
}

// loggedIn puts on record that an API client used its secret, and lets what
// follows be put down to it.
func (a *api) loggedIn(c *gin.Context, l access.Login) error {
	ctx := audit.As(c.Request.Context(), audit.Actor{ID: l.ID, RequestID: exchangeOf(c).requestID, From: exchangeOf(c).address})
	c.Request = c.Request.WithContext(ctx)
	return a.Uses.Used(audit.For(ctx, audit.ForToken), audit.Event{Workspace: l.Workspace, Kind: audit.APIClient, ObjectID: l.ID, Name: l.Name})
}

// notePosted puts on record that a client hands records to a flow. The records
// are kept already: a record that cannot be made now is made with the next ones.
func (a *api) notePosted(r *call, flowID string) {
	err := a.Uses.Note(r.ctx(), audit.Event{Workspace: r.who.Workspace, Action: audit.Posted, Kind: audit.Flow, ObjectID: flowID})
	if err != nil {
		a.Log.WarnContext(r.ctx(), "posted records are not in the audit log", "flow", flowID, "error", err)
	}
}
