package celonissim

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Events says how event subscriptions behave. The zero value is the assumption
// thought most likely.
type Events struct {
	// InsecureCallbacks lets callbacks be reached without TLS, for a receiver on this machine.
	InsecureCallbacks bool
	// CallbackTLS is how callbacks with TLS are trusted; nil is the system's way.
	CallbackTLS *tls.Config `json:"-"`
	// Probe is how a callback is tried when a subscription is made; ProbeArray is the default.
	Probe Probe
	// BareID answers the making of a subscription with a bare string.
	BareID bool
	// HideCallback leaves the callback out of lists.
	HideCallback bool
	// CamelCase writes the items of deliveries in camelCase, SingleEvents each as an object of its own.
	CamelCase, SingleEvents bool
	// OtherID names the subscription by another id in deliveries than everywhere else.
	OtherID bool
	// FirstOffset is the offset of a subscription's first event.
	FirstOffset int64
	// BatchSize is how many events a delivery has at most; 0 is 20.
	BatchSize int
	// RetryEvery is the time between two tries of a delivery that failed; 0 is a second. SuspendAfter is after how many
	// failures in a row a subscription is suspended; 0 is 100.
	RetryEvery   time.Duration
	SuspendAfter int
	// Duplicate sends every delivery twice, Reverse the events of a delivery in reverse order.
	Duplicate, Reverse bool
}

// Probe is a way to try a callback.
type Probe string

// The probes.
const (
	ProbeArray  Probe = "array"  // POST of an empty array
	ProbeEmpty  Probe = "empty"  // POST without a body
	ProbeObject Probe = "object" // POST of an object that is no event
	ProbeGet    Probe = "get"
	ProbeHead   Probe = "head"
	ProbeNone   Probe = "none"
)

// EventField is a field of an event. Type is DATE, STRING, FLOAT or INT.
type EventField struct {
	ID           string `json:"id"`
	Value        any    `json:"value"`
	Type         string `json:"type"`
	IsIdentifier bool   `json:"isIdentifier"`
}

// Event is what a trigger found.
type Event struct {
	// ID is made when it is empty.
	ID         string       `json:"id"`
	Identifier string       `json:"identifier"`
	Fields     []EventField `json:"fields"`
}

// loggedEvent is an event as a subscription has it.
type loggedEvent struct {
	Event
	offset int64
	made   time.Time
}

// subscription is one subscription. Its events are numbered without a gap.
type subscription struct {
	id, otherID, name    string
	team                 *team
	model, trigger       string
	configurations       []string
	uri                  string
	headers              map[string]string
	status               string
	created              time.Time
	log                  []loggedEvent
	pending              []int64
	failures             int
	delivered            bool
	lastSuccess          int64
	lastSuccessAt        time.Time
	dropped, lost        map[int64]bool
	failNext, deliveries int
	wake                 chan struct{}
	gone                 bool
}

// eventState is the subscriptions of all teams.
type eventState struct {
	mu   sync.Mutex
	how  Events
	subs []*subscription
}

// The codes of the Event Subscription API.
const (
	codeSubscriptionUnknown = "SUBSCRIPTION_SUBSCRIPTION_NOTFOUND"
	codeCallbackFailed      = "SUBSCRIPTION_CALLBACK_FAILED"
	codeCallbackIllegal     = "SUBSCRIPTION_URI_ILLEGAL"
	codeHeaderEmpty         = "SUBSCRIPTION_EMPTY_HEADER"
)

// routeSubscriptions adds the Event Subscription API, but for the triggers, which routeIntelligence has.
func (s *Server) routeSubscriptions(rt *router) {
	const subs = "/intelligence/api/subscriptions"
	may := func(h guarded) guarded {
		return needs(APIIntelligence, func(c *Credential) bool { return c.Intelligence }, h)
	}
	one := func(h func(w http.ResponseWriter, r *http.Request, sub *subscription)) guarded {
		return may(s.withSubscription(h))
	}
	rt.handle("subscriptions.create", "POST /intelligence/api/knowledge-models/{km}/triggers/{trigger}/subscriptions", may(s.createSubscription))
	rt.handle("subscriptions.list", "GET "+subs, may(s.listSubscriptions))
	rt.handle("subscriptions.update", "PUT "+subs+"/{subscription}", one(s.updateSubscription))
	rt.handle("subscriptions.delete", "DELETE "+subs+"/{subscription}", one(s.deleteSubscription))
	rt.handle("subscriptions.events", "PATCH "+subs+"/{subscription}/events", one(s.rereadEvents))
	rt.handle("subscriptions.pause", "PATCH "+subs+"/{subscription}/pause", one(s.pauseSubscription))
	rt.handle("subscriptions.resume", "PATCH "+subs+"/{subscription}/resume", one(s.resumeSubscription))
	rt.handle("subscriptions.resumeFromLatest", "PATCH "+subs+"/{subscription}/resume-from-latest", one(s.resumeLatest))
	rt.handle("subscriptions.replay", "PATCH "+subs+"/{subscription}/replay", one(s.replaySubscription))
}

// withSubscription finds the subscription of a request.
func (s *Server) withSubscription(h func(w http.ResponseWriter, r *http.Request, sub *subscription)) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		s.events.mu.Lock()
		i := slices.IndexFunc(s.events.subs, func(sub *subscription) bool { return sub.id == r.PathValue("subscription") && sub.team == c.team })
		var sub *subscription
		if i >= 0 {
			sub = s.events.subs[i]
		}
		s.events.mu.Unlock()
		if sub == nil {
			writeNotFound(w, codeSubscriptionUnknown, "The subscription was not found.")
			return
		}
		h(w, r, sub)
	}
}

// subscriptionRequest is the body of a create and of a change.
type subscriptionRequest struct {
	Name         string `json:"name"`
	CallbackInfo *struct {
		URI      string            `json:"uri"`
		Protocol string            `json:"protocol"`
		Headers  map[string]string `json:"headers"`
	} `json:"callbackInfo"`
	Configurations []string `json:"configurations"`
}

const (
	maxSubscriptionText    = 1024
	maxSubscriptionHeaders = 8192
)

// readSubscription reads and checks a body, or answers 400 and says no.
func (s *Server) readSubscription(w http.ResponseWriter, r *http.Request) (b subscriptionRequest, ok bool) {
	refuse := func(code, detail string) (subscriptionRequest, bool) {
		writeBadParameter(w, code, detail)
		return b, false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJobBody)).Decode(&b); err != nil {
		return refuse(codeParameterIllegal, "The body is not a subscription.")
	}
	switch {
	case b.Name == "" || b.CallbackInfo == nil || b.CallbackInfo.URI == "" || b.CallbackInfo.Protocol == "" || b.CallbackInfo.Headers == nil:
		return refuse(codeParameterMissing, "name and callbackInfo with uri, protocol and headers are required.")
	case len([]rune(b.Name)) > maxSubscriptionText || len([]rune(b.CallbackInfo.URI)) > maxSubscriptionText:
		return refuse(codeConstraint, "[name, uri] size must be between 1 and 1024")
	case b.CallbackInfo.Protocol != "HTTPS":
		return refuse(codeParameterIllegal, "protocol must be HTTPS.")
	case !s.events.allows(b.CallbackInfo.URI):
		return refuse(codeCallbackIllegal, "The callback URI is not valid.")
	}
	size := 0
	for name, value := range b.CallbackInfo.Headers {
		size += len(name) + len(value)
		if value == "" {
			return refuse(codeHeaderEmpty, "A callback header is empty.")
		}
		if !slices.Contains([]string{"Authorization", "Content-Type", "User-Agent", "Host", "Accept"}, name) {
			return refuse(codeParameterIllegal, "The callback header "+name+" is not allowed.")
		}
	}
	if size > maxSubscriptionHeaders {
		return refuse(codeConstraint, "The callback headers must have at most 8192 bytes.")
	}
	for _, c := range b.Configurations {
		if c != "SKIP_ERRORS" {
			return refuse(codeParameterIllegal, "The configuration "+c+" is not known.")
		}
	}
	return b, true
}

func (s *Server) createSubscription(w http.ResponseWriter, r *http.Request, c caller) {
	model, trigger := r.PathValue("km"), r.PathValue("trigger")
	i := slices.IndexFunc(c.team.models, func(m KnowledgeModel) bool { return m.ID == model })
	if i < 0 {
		writeNotFound(w, codeModelUnknown, "The knowledge model was not found.")
		return
	}
	if !slices.ContainsFunc(c.team.models[i].Triggers, func(t Trigger) bool { return t.ID == trigger }) {
		writeNotFound(w, codeTriggerUnknown, "The trigger was not found.")
		return
	}
	b, ok := s.readSubscription(w, r)
	if !ok {
		return
	}
	if !s.probe(r.Context(), b) {
		writeBadParameter(w, codeCallbackFailed, "The callback did not answer with a success.")
		return
	}
	sub := &subscription{
		id: uuid.NewString(), otherID: uuid.NewString(), team: c.team, model: model, trigger: trigger, status: "active", created: s.now(), lastSuccess: -1,
		dropped: map[int64]bool{}, lost: map[int64]bool{}, wake: make(chan struct{}, 1),
	}
	sub.take(b)
	s.events.mu.Lock()
	s.events.subs = append(s.events.subs, sub)
	bare := s.events.how.BareID
	s.events.mu.Unlock()
	s.startDelivering(sub)
	if bare {
		writeJSON(w, http.StatusCreated, sub.id)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{"id": sub.id})
}

// take fills in what a body says. The caller holds the lock, or nobody else knows the subscription.
func (sub *subscription) take(b subscriptionRequest) {
	sub.name, sub.configurations, sub.uri, sub.headers = b.Name, append([]string{}, b.Configurations...), b.CallbackInfo.URI, b.CallbackInfo.Headers
}

type callbackItem struct {
	URI      string `json:"uri"`
	Protocol string `json:"protocol"`
}

type subscriptionItem struct {
	ID                     string        `json:"id"`
	Name                   string        `json:"name"`
	Status                 string        `json:"status"`
	Configurations         []string      `json:"configurations"`
	KnowledgeModelID       string        `json:"knowledgeModelId"`
	TriggerID              string        `json:"triggerId"`
	LatestSucceedEvent     *time.Time    `json:"latestSucceedEvent"`
	Offset                 *int64        `json:"offset"`
	CreationDate           time.Time     `json:"creationDate"`
	OwnerName              string        `json:"ownerName"`
	CallbackInfo           *callbackItem `json:"callbackInfo"`
	LastSuccessEventOffset *int64        `json:"lastSuccessEventOffset"`
}

func (sub *subscription) item(how Events) subscriptionItem {
	item := subscriptionItem{
		ID: sub.id, Name: sub.name, Status: sub.status, Configurations: sub.configurations, KnowledgeModelID: sub.model, TriggerID: sub.trigger,
		CreationDate: sub.created, OwnerName: "simulator", CallbackInfo: &callbackItem{sub.uri, "HTTPS"},
	}
	if how.HideCallback {
		item.CallbackInfo = nil
	}
	if n := len(sub.log); n > 0 {
		item.Offset = &sub.log[n-1].offset
	}
	if sub.delivered {
		item.LastSuccessEventOffset, item.LatestSucceedEvent = &sub.lastSuccess, &sub.lastSuccessAt
	}
	return item
}

func (s *Server) listSubscriptions(w http.ResponseWriter, r *http.Request, c caller) {
	s.events.mu.Lock()
	items := []subscriptionItem{}
	for _, sub := range s.events.subs {
		if sub.team == c.team {
			item := sub.item(s.events.how)
			if item.LastSuccessEventOffset != nil { // these change while the answer is written
				offset, at := *item.LastSuccessEventOffset, *item.LatestSucceedEvent
				item.LastSuccessEventOffset, item.LatestSucceedEvent = &offset, &at
			}
			items = append(items, item)
		}
	}
	s.events.mu.Unlock()
	writeList(s, w, r, items, func(i subscriptionItem) subscriptionItem { return i })
}

func (s *Server) updateSubscription(w http.ResponseWriter, r *http.Request, sub *subscription) {
	b, ok := s.readSubscription(w, r)
	if !ok {
		return
	}
	s.events.mu.Lock()
	sub.take(b)
	s.events.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

func (s *Server) deleteSubscription(w http.ResponseWriter, _ *http.Request, sub *subscription) {
	s.forgetSubscription(sub)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) forgetSubscription(sub *subscription) {
	s.events.mu.Lock()
	sub.gone = true
	s.events.subs = slices.DeleteFunc(s.events.subs, func(other *subscription) bool { return other == sub })
	s.events.mu.Unlock()
	sub.signal()
}

func (s *Server) pauseSubscription(w http.ResponseWriter, _ *http.Request, sub *subscription) {
	s.setStatus(sub, "paused")
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) resumeSubscription(w http.ResponseWriter, _ *http.Request, sub *subscription) {
	s.setStatus(sub, "active")
	w.WriteHeader(http.StatusNoContent)
}

// resumeLatest goes on without what could not be delivered.
func (s *Server) resumeLatest(w http.ResponseWriter, _ *http.Request, sub *subscription) {
	s.events.mu.Lock()
	sub.pending = nil
	s.events.mu.Unlock()
	s.setStatus(sub, "active")
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) setStatus(sub *subscription, status string) {
	s.events.mu.Lock()
	sub.status, sub.failures = status, 0
	s.events.mu.Unlock()
	sub.signal()
}

// replaySubscription emits the events from an offset on again.
func (s *Server) replaySubscription(w http.ResponseWriter, r *http.Request, sub *subscription) {
	from, ok := queryInt(r, "fromOffset", 0, 0)
	if !ok {
		writeBadParameter(w, codeParameterIllegal, "fromOffset must be a whole number from 0.")
		return
	}
	s.events.mu.Lock()
	sub.pending = nil
	for _, e := range sub.log {
		if e.offset >= int64(from) && !sub.lost[e.offset] {
			sub.pending = append(sub.pending, e.offset)
		}
	}
	s.events.mu.Unlock()
	sub.signal()
	w.WriteHeader(http.StatusNoContent)
}

// rereadSize is how many events are read again at once.
const rereadSize = 50

// rereadEvents gives events that were not delivered.
func (s *Server) rereadEvents(w http.ResponseWriter, _ *http.Request, sub *subscription) {
	type fields struct {
		ID              string            `json:"id"`
		Identifier      string            `json:"identifier"`
		TypedIdentifier map[string]string `json:"typedIdentifier"`
		Fields          []EventField      `json:"fields"`
	}
	type item struct {
		SubscriberID string    `json:"subscriberId"`
		TriggerID    string    `json:"triggerId"`
		Offset       int64     `json:"offset"`
		CreationDate time.Time `json:"creationDate"`
		Event        fields    `json:"event"`
	}
	s.events.mu.Lock()
	items := []item{}
	for _, offset := range sub.pending[:min(len(sub.pending), rereadSize)] {
		e := sub.event(offset)
		items = append(items, item{sub.id, sub.trigger, e.offset, e.made, fields{e.ID, e.Identifier, map[string]string{"type": "STRING", "value": e.Identifier}, e.Fields}})
	}
	s.events.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"pageSize": rereadSize, "content": items})
}

// event gives the event of an offset; the caller holds the lock.
func (sub *subscription) event(offset int64) loggedEvent {
	return sub.log[offset-sub.log[0].offset]
}
