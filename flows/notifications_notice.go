package flows

import (
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Notice is what is said of a change of state. It holds no record and no
// secret, and of a fault the code, its title and the hint, but not the message, which quotes values.
type Notice struct {
	// ID is the same in every attempt to deliver it.
	ID         string            `json:"id"`
	Event      NotificationEvent `json:"event"`
	At         time.Time         `json:"at"`
	Workspace  string            `json:"workspace"`
	Flow       *NamedThing       `json:"flow,omitempty"`
	Run        *NoticeRun        `json:"run,omitempty"`
	Connection *NamedThing       `json:"connection,omitempty"`
	Team       *NoticeTeam       `json:"team,omitempty"`
	Error      *NoticeError      `json:"error,omitempty"`
	// Link leads to what it is about; "" where the service's public address is not known.
	Link string `json:"link,omitempty"`
}

// NamedThing is a flow or a connection.
type NamedThing struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// NoticeRun is the run that a notice speaks of.
type NoticeRun struct {
	ID      string  `json:"id"`
	Trigger Trigger `json:"trigger"`
	State   State   `json:"state"`
	Attempt int     `json:"attempt"`
	Ledger  Ledger  `json:"ledger"`
}

// NoticeTeam is the team whose push submissions are spent.
type NoticeTeam struct {
	Domain string `json:"domain"`
	// ResumeAt is when the run goes on.
	ResumeAt time.Time `json:"resumeAt"`
}

// NoticeError says why.
type NoticeError struct {
	Code  fault.Code `json:"code"`
	Title string     `json:"title"`
	Hint  string     `json:"hint,omitempty"`
}

// NoticeErrorOf gives the part of a fault that may leave the service.
func NoticeErrorOf(code fault.Code, hint string) *NoticeError {
	return &NoticeError{Code: code, Title: fault.Describe(code).Title, Hint: hint}
}

// Path is the API's path of what the notice is about, "" for a sample.
func (n *Notice) Path() string {
	switch {
	case n.Run != nil:
		return "/v1/runs/" + n.Run.ID
	case n.Connection != nil:
		return "/v1/connections/" + n.Connection.ID
	case n.Flow != nil:
		return "/v1/flows/" + n.Flow.ID
	}
	return ""
}

// Subject is what the notices must stay in order of: the flow, connection or team.
func (n *Notice) Subject() string {
	switch {
	case n.Team != nil:
		return "team " + n.Team.Domain
	case n.Connection != nil:
		return "connection " + n.Connection.ID
	case n.Flow != nil:
		return "flow " + n.Flow.ID
	}
	return ""
}

// NoticeDelivery is a notice on its way to one notification.
type NoticeDelivery struct {
	Notification Notification
	Notice       Notice
	// Attempts counts those that were begun, this one among them.
	Attempts  int
	CreatedAt time.Time
}

// DeliveryEnd is how an attempt to deliver ended.
type DeliveryEnd struct {
	// Outcome is shown by the notification; nil leaves what it shows.
	Outcome *DeliveryOutcome
	// Next is when the next attempt is due; zero ends the delivery.
	Next time.Time
}
