package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// Subscriptions takes the events that Celonis delivers to flows; *flows.Service is one.
type Subscriptions interface {
	// Listening finds the flow of a token; fault SubscriptionNotFound.
	Listening(ctx context.Context, token crypto.Secret) (*flows.Listening, error)
	// VerifyEvents proves the sender by its header Authorization.
	VerifyEvents(l *flows.Listening, authorization []string) error
	// TakeEvents stores the events before it returns.
	TakeEvents(ctx context.Context, l *flows.Listening, body []byte) (*flows.EventReceipt, error)
	// Subscription gives nil for a flow without one.
	Subscription(ctx context.Context, workspace, flowID string) (*flows.Subscription, error)
	AskReplay(ctx context.Context, workspace, flowID string, ask flows.ReplayAsk) (*flows.Flow, error)
}

var _ Subscriptions = (*flows.Service)(nil)

const (
	eventsPath = flows.EventsPath + "{token}"
	// maxShownGaps bounds the gaps that a flow's answer lists.
	maxShownGaps = 20
)

// subscriptionView is the state of a subscription.
type subscriptionView struct {
	// ID is Celonis's, null while it has none.
	ID *string `json:"id"`
	// Status is ours: pending, listening, repairing, paused or failing.
	Status string `json:"status"`
	// CelonisStatus is Celonis's at CheckedAt.
	CelonisStatus *string   `json:"celonisStatus"`
	Desired       string    `json:"desired"`
	LastOffset    *int64    `json:"lastOffset"`
	Contiguous    *int64    `json:"contiguousOffset"`
	Gaps          []gapView `json:"gaps"`
	MissingEvents int64     `json:"missingEvents"`
	MissedEvents  int64     `json:"missedEvents"`
	// Received and Repeated count events.
	Received       int64              `json:"receivedEvents"`
	Repeated       int64              `json:"repeatedEvents"`
	Remade         int64              `json:"remade"`
	LastDeliveryAt *time.Time         `json:"lastDeliveryAt"`
	CheckedAt      *time.Time         `json:"checkedAt"`
	LastError      *subscriptionFault `json:"lastError"`
	Replay         *replayView        `json:"replay"`
}

type gapView struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	State string `json:"state"`
}

type subscriptionFault struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	At      time.Time  `json:"at"`
}

// replayView is what was asked for and not done yet; FromOffset is null for the latest.
type replayView struct {
	FromOffset *int64 `json:"fromOffset"`
}

func hasSubscription(f *flows.Flow) bool { return f.Export.Type == flows.ExportEventSubscription }

// subscriptionOf gives the state that a flow's reply shows, nil for a flow without a subscription.
func (a *api) subscriptionOf(r *call, f *flows.Flow) (*subscriptionView, error) {
	if !hasSubscription(f) {
		return nil, nil
	}
	s, err := a.Subscriptions.Subscription(r.ctx(), r.who.Workspace, f.ID)
	if err != nil || s == nil {
		return nil, err
	}
	return viewSubscription(s), nil
}

func viewSubscription(s *flows.Subscription) *subscriptionView {
	v := &subscriptionView{
		ID: orNull(s.RemoteID), Status: statusOf(s), CelonisStatus: orNull(s.RemoteStatus), Desired: string(s.Wish),
		LastOffset: offsetOrNull(s.Offsets.Last()), Contiguous: offsetOrNull(s.Offsets.Contiguous()), Gaps: []gapView{},
		MissedEvents: s.Offsets.Lost(), Received: s.Received, Repeated: s.Repeated, Remade: s.Remade,
		LastDeliveryAt: momentOrNull(s.LastDeliveryAt), CheckedAt: momentOrNull(s.CheckedAt),
	}
	for _, g := range s.Offsets.Gaps() {
		v.MissingEvents += g.Size()
		v.Gaps = append(v.Gaps, gapView{g.From, g.To, "missing"})
	}
	for _, g := range s.Offsets.Missed {
		v.Gaps = append(v.Gaps, gapView{g.From, g.To, "missed"})
	}
	v.Gaps = v.Gaps[:min(len(v.Gaps), maxShownGaps)]
	if e := s.LastError; e != nil {
		v.LastError = &subscriptionFault{e.Code, e.Message, e.Hint, moment(e.At)}
	}
	if s.Replay != nil {
		v.Replay = &replayView{offsetOrNull(s.Replay.FromOffset)}
	}
	return v
}

// statusOf says in a word how a subscription is.
func statusOf(s *flows.Subscription) string {
	switch {
	case s.Failures > 0 || s.RemoteStatus == flows.RemoteRejected:
		return "failing"
	case s.Wish == flows.WantPaused:
		return "paused"
	case s.RemoteID == "":
		return "pending"
	case len(s.Offsets.Gaps()) > 0 || s.RemoteStatus != flows.RemoteActive:
		return "repairing"
	}
	return "listening"
}

func offsetOrNull(n int64) *int64 {
	if n == flows.UnknownOffset {
		return nil
	}
	return &n
}

// replayBody is what a replay takes.
type replayBody struct {
	FromOffset *int64 `json:"fromOffset" validate:"required,min=0"`
	Again      bool   `json:"again"`
}

func (a *api) replaySubscription(r *call) (reply, error) {
	id, _, err := a.expectedFlow(r)
	if err != nil {
		return reply{}, err
	}
	body, err := readJSON[replayBody](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	if err := invalid(a.valid.Struct(body)); err != nil {
		return reply{}, err
	}
	return a.asked(r, id, flows.ReplayAsk{FromOffset: *body.FromOffset, Again: body.Again})
}

func (a *api) resumeSubscription(r *call) (reply, error) {
	id, _, err := a.expectedFlow(r)
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	return a.asked(r, id, flows.ReplayAsk{FromOffset: flows.UnknownOffset})
}

// asked answers with the flow, whose subscription shows what is not done yet.
func (a *api) asked(r *call, id string, ask flows.ReplayAsk) (reply, error) {
	out, err := a.flowReply(r)(a.Subscriptions.AskReplay(r.ctx(), r.who.Workspace, id, ask))
	out.status = http.StatusAccepted
	return out, err
}

// eventReceiptView answers a delivery of events.
type eventReceiptView struct {
	Received int64 `json:"received"`
	Repeated int64 `json:"repeated"`
}

// lookAtEvents answers a look at the address: whoever knows it may see that it is there.
func (a *api) lookAtEvents(c *gin.Context) {
	_, err := a.Subscriptions.Listening(c.Request.Context(), crypto.NewSecret(c.Param("token")))
	switch {
	case c.Request.Method == http.MethodHead && err != nil:
		c.Status(fault.Describe(fault.CodeOf(err)).Status)
		return
	case c.Request.Method == http.MethodHead:
		c.Status(http.StatusOK)
		return
	case err == nil:
		err = respond(c, http.StatusOK, eventReceiptView{})
	}
	if err != nil {
		a.fail(c, err)
	}
}

// takeEvents answers a delivery of Celonis. What it stores is in the database
// before the answer begins. The token stands in no log, no answer and no label.
func (a *api) takeEvents(c *gin.Context) {
	if err := a.deliverEvents(c); err != nil {
		if fault.Has(err, fault.StoreUnavailable) && fault.From(err).ResumeAt.IsZero() {
			err = fault.From(err).WithResumeAt(a.Now().Add(storeRetry))
		}
		if fault.Has(err, fault.WebhookUnauthenticated) {
			c.Header("WWW-Authenticate", `Bearer realm="`+realm+`"`)
		}
		a.fail(c, err)
	}
}

func (a *api) deliverEvents(c *gin.Context) error {
	l, err := a.Subscriptions.Listening(c.Request.Context(), crypto.NewSecret(c.Param("token")))
	if err != nil {
		return err
	}
	if wait := a.hookLimits.Take(l.Flow.ID, flows.MaxEventDeliveries, a.Now()); wait > 0 {
		return fault.New(fault.WebhookLimited, "more than %d deliveries in a minute", flows.MaxEventDeliveries).WithResumeAt(a.Now().Add(wait))
	}
	sent, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, flows.MaxEventsBody))
	if err != nil {
		return bodyFault(err)
	}
	given := c.Request.Header.Values("Authorization")
	// A look at the address may come without what only deliveries bring; it stores nothing.
	if len(given) > 0 || !isBlank(sent) {
		if err := a.Subscriptions.VerifyEvents(l, given); err != nil {
			return err
		}
	}
	d := delivered{coding: c.GetHeader("Content-Encoding"), body: sent, most: flows.MaxEventsBody}
	if err := d.unpack(); err != nil {
		return err
	}
	receipt, err := a.Subscriptions.TakeEvents(c.Request.Context(), l, d.body)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, eventReceiptView{receipt.Received, receipt.Repeated})
}
