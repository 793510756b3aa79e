package httpsink

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
)

// meaning is what is known of a try beside its answer.
type meaning struct {
	// sent says that it may have reached the destination, err why no answer came.
	sent bool
	err  error
	try  int
}

// meant is what a try means.
type meant struct {
	verdict Verdict
	fault   *fault.Error
	again   *again
}

// again says that a try may go well when it is made again: at some time, zero
// where that is not said; sure says that the destination has not acted on it.
type again struct {
	at   time.Time
	sure bool
}

// mean says what a try means:
//
//	2xx                                    taken
//	429, 503 with Retry-After              not taken: again when the destination says
//	408, 425, other 5xx, no answer         not known: again where the request may be repeated
//	nothing was sent (name, connection)    not taken: again
//	401, 403, 3xx, 501                     nothing is taken: the run stops
//	404, 405 of a URL that names no row    nothing is taken: the run stops
//	410 of a URL that names no row         nothing is ever taken again: the run stops
//	other 4xx                              the rows are refused
func (s *Sender) mean(call Call, a Answer, m meaning) meant {
	if m.err != nil {
		f := fault.From(m.err)
		if f.Retry() == fault.Never && !m.sent {
			return meant{fault: f}
		}
		return meant{fault: f, again: &again{sure: !m.sent}}
	}
	say := func(code fault.Code, format string) *fault.Error {
		f := fault.New(code, format+" with status %d", s.place(call), a.Status)
		f.Message += s.excerpt(a)
		return f
	}
	var at time.Time
	if a.Why != nil {
		at = a.Why.ResumeAt
	}
	switch status := a.Status; {
	case status >= 200 && status < 300:
		return meant{verdict: Taken}
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && !at.IsZero():
		return meant{fault: say(fault.DestinationRateLimited, "the destination asks to wait at %q"), again: &again{at: at, sure: true}}
	case status == http.StatusConflict && call.Keyed && m.try > 1:
		return meant{fault: say(fault.DestinationUnavailable, "the destination still works on the request before at %q"), again: &again{at: at}}
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly,
		status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported:
		return meant{fault: say(fault.DestinationUnavailable, "the destination has an error at %q"), again: &again{at: at}}
	}
	if f := s.stops(call, a, say); f != nil {
		return meant{fault: f}
	}
	return meant{verdict: Refused, fault: say(fault.DestinationRefused, "the destination refuses %q")}
}

// stops gives the fault of an answer that speaks of all rows alike.
func (s *Sender) stops(call Call, a Answer, say func(fault.Code, string) *fault.Error) *fault.Error {
	switch status := a.Status; {
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired:
		return say(fault.DestinationUnauthorized, "the destination does not accept the login at %q").
			WithHint("look at the connection's user name, password, token or OAuth client; of a webhook, at its secret and the clock")
	case status == http.StatusForbidden:
		return say(fault.DestinationForbidden, "the destination does not allow %q").WithHint("give the login the right to write there, or look at the path")
	case status < 200 || status >= 300 && status < 400:
		return say(fault.DestinationForbidden, "the destination leads elsewhere at %q, which is not followed").
			WithHint("give the address that it leads to, where that is the right one")
	case call.AboutRow:
		return nil
	case status == http.StatusGone:
		return say(fault.DestinationGone, "the destination takes nothing any more at %q").
			WithHint("the receiver has ended it: ask for a new address, or disable the flow")
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported:
		return say(fault.DestinationGone, "the destination has nothing that takes %q").
			WithHint("look at the import's method and URL, and at the connection's baseUrl, to which it is added")
	}
	return nil
}

// excerpt quotes the beginning of an answer.
func (s *Sender) excerpt(a Answer) string {
	if len(a.Body) == 0 {
		return ""
	}
	if outside.LooksLikeHTML(a.ContentType, a.Body) {
		return ", a web page"
	}
	text := s.Redact.Excerpt(string(a.Body[:min(len(a.Body), 4*maxExcerpt)]), maxExcerpt)
	if text == "" {
		return ""
	}
	return ": " + strconv.Quote(text)
}

// RowResult is what an answer says of one row.
type RowResult struct {
	Status int
	// Text is the beginning of what it says, on one line.
	Text string
}

// Results reads what an answer says of each of its rows. Fault
// DestinationAnswer when it says nothing of so many rows.
func (s *Sender) Results(a Answer, path []string, rows int) ([]RowResult, error) {
	unreadable := func(why string) error {
		return fault.New(fault.DestinationAnswer, "the destination answered with status %d, and what it says of each row cannot be read: %s%s", a.Status, why, s.excerpt(a)).
			WithHint("look at import.resultsPath; the destination may have the row")
	}
	if a.Cut {
		return nil, unreadable("the answer is too long or broke off")
	}
	at := json.RawMessage(bytes.TrimSpace(a.Body))
	for _, name := range path {
		var object map[string]json.RawMessage
		if json.Unmarshal(at, &object) != nil || object[name] == nil {
			return nil, unreadable("there is no member " + strconv.Quote(name))
		}
		at = object[name]
	}
	var items []json.RawMessage
	if json.Unmarshal(at, &items) != nil {
		return nil, unreadable("there is no list")
	}
	if len(items) != rows {
		return nil, unreadable("the list has " + strconv.Itoa(len(items)) + " items for " + strconv.Itoa(rows) + " rows")
	}
	out := make([]RowResult, rows)
	for n, item := range items {
		var said struct {
			Status json.RawMessage `json:"status"`
		}
		if json.Unmarshal(item, &said) != nil {
			return nil, unreadable("item " + strconv.Itoa(n) + " is no object")
		}
		status, err := strconv.Atoi(strings.Trim(string(said.Status), `"`))
		if err != nil || status < 100 || status > 599 {
			return nil, unreadable("item " + strconv.Itoa(n) + " has no HTTP status in \"status\"")
		}
		out[n] = RowResult{Status: status, Text: s.Redact.Excerpt(string(item), maxExcerpt)}
	}
	return out, nil
}
