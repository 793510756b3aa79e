package celonissim

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// SubscriptionState is a subscription as a test sees it.
type SubscriptionState struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Status         string            `json:"status"`
	Trigger        string            `json:"trigger"`
	Configurations []string          `json:"configurations"`
	URI            string            `json:"uri"`
	Headers        map[string]string `json:"headers"`
	// Events counts all, Pending those that are still to be delivered.
	Events  int `json:"events"`
	Pending int `json:"pending"`
	// Deliveries counts the requests to the callback.
	Deliveries int `json:"deliveries"`
}

// SetEvents changes how event subscriptions behave from now on.
func (s *Server) SetEvents(how Events) {
	s.events.mu.Lock()
	s.events.how = how
	s.events.mu.Unlock()
}

// Subscriptions gives the subscriptions of all teams in the order of their making.
func (s *Server) Subscriptions() []SubscriptionState {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	out := []SubscriptionState{}
	for _, sub := range s.events.subs {
		out = append(out, SubscriptionState{
			ID: sub.id, Name: sub.name, Status: sub.status, Trigger: sub.trigger, Configurations: sub.configurations, URI: sub.uri, Headers: sub.headers,
			Events: len(sub.log), Pending: len(sub.pending), Deliveries: sub.deliveries,
		})
	}
	return out
}

// Emit lets a trigger find events: every subscription to it gets each of them.
// It gives the number of subscriptions.
func (s *Server) Emit(trigger string, events ...Event) int {
	return s.emit(trigger, nil, events)
}

// EmitDropping is Emit, but events of the offsets are taken for delivered and
// never sent, until a replay brings them.
func (s *Server) EmitDropping(trigger string, offsets []int64, events ...Event) int {
	return s.emit(trigger, func(sub *subscription) {
		for _, o := range offsets {
			sub.dropped[o] = true
		}
	}, events)
}

// EmitLosing is Emit, but the events of the offsets are never sent, whatever is replayed.
func (s *Server) EmitLosing(trigger string, offsets []int64, events ...Event) int {
	return s.emit(trigger, func(sub *subscription) {
		for _, o := range offsets {
			sub.lost[o] = true
		}
	}, events)
}

func (s *Server) emit(trigger string, first func(*subscription), events []Event) int {
	events = slices.Clone(events)
	for i := range events {
		if events[i].ID == "" {
			events[i].ID = uuid.NewString()
		}
		if events[i].Fields == nil {
			events[i].Fields = []EventField{}
		}
	}
	s.events.mu.Lock()
	var told []*subscription
	for _, sub := range s.events.subs {
		if sub.trigger != trigger {
			continue
		}
		if first != nil {
			first(sub)
		}
		for _, e := range events {
			offset := s.events.how.FirstOffset
			if n := len(sub.log); n > 0 {
				offset = sub.log[n-1].offset + 1
			}
			sub.log = append(sub.log, loggedEvent{e, offset, s.now()})
			sub.pending = append(sub.pending, offset)
		}
		told = append(told, sub)
	}
	s.events.mu.Unlock()
	for _, sub := range told {
		sub.signal()
	}
	return len(told)
}

// SetSubscription puts a subscription into a status, as when Celonis suspends
// it; "deleted" takes it away as a person would. It says whether there is one.
func (s *Server) SetSubscription(id, status string) bool {
	s.events.mu.Lock()
	i := slices.IndexFunc(s.events.subs, func(sub *subscription) bool { return sub.id == id })
	var sub *subscription
	if i >= 0 {
		sub = s.events.subs[i]
	}
	s.events.mu.Unlock()
	switch {
	case sub == nil:
		return false
	case status == "deleted":
		s.forgetSubscription(sub)
	default:
		s.setStatus(sub, status)
	}
	return true
}

// FailDeliveries lets the next deliveries of all subscriptions fail before they leave; a negative number fails all.
func (s *Server) FailDeliveries(n int) {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	for _, sub := range s.events.subs {
		sub.failNext = n
	}
}

// forget takes all subscriptions away.
func (s *Server) forgetSubscriptions() {
	s.events.mu.Lock()
	subs := s.events.subs
	s.events.subs = nil
	for _, sub := range subs {
		sub.gone = true
	}
	s.events.mu.Unlock()
	for _, sub := range subs {
		sub.signal()
	}
}

func (s *Server) adminSubscriptions(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Subscriptions())
}

// adminEmit is Emit, for the events in the body.
func (s *Server) adminEmit(w http.ResponseWriter, r *http.Request) {
	var events []Event
	if readStrict(w, r, &events) {
		writeJSON(w, http.StatusAccepted, map[string]int{"subscriptions": s.Emit(r.PathValue("trigger"), events...)})
	}
}

// adminSetEvents is SetEvents.
func (s *Server) adminSetEvents(w http.ResponseWriter, r *http.Request) {
	var how Events
	if readStrict(w, r, &how) {
		s.SetEvents(how)
		w.WriteHeader(http.StatusNoContent)
	}
}

// adminSetSubscription is SetSubscription.
func (s *Server) adminSetSubscription(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Status string `json:"status"`
	}
	if !readStrict(w, r, &body) {
		return
	}
	if !slices.Contains([]string{"active", "failed", "suspended", "paused", "rejected", "deleted"}, body.Status) || !s.SetSubscription(r.PathValue("id"), body.Status) {
		writeText(w, http.StatusBadRequest, "no such subscription or status\n")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
