package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
)

// Message is an e-mail before it has a sender and receivers.
type Message struct {
	// ID is the notice's.
	ID      string
	Subject string
	Body    string
	At      time.Time
}

// headline says in a line what happened.
func headline(n flows.Notice) string {
	flow, connection, team := named(n.Flow), named(n.Connection), ""
	if n.Team != nil {
		team = n.Team.Domain
	}
	switch n.Event {
	case flows.RunFailed:
		return "Flow " + flow + " fails"
	case flows.RunRecovered:
		return "Flow " + flow + " succeeds again"
	case flows.ConnectionOffline:
		return "Connection " + connection + " is offline"
	case flows.ConnectionOnline:
		return "Connection " + connection + " is online again"
	case flows.BudgetShort:
		return "The push submissions of " + team + " are spent for this hour"
	case flows.EventsMissed:
		return "Flow " + flow + " missed events of Celonis"
	case flows.SubscriptionWasSuspended:
		return "Celonis had suspended the subscription of flow " + flow
	case flows.Sample:
		return "A sample of a notification"
	}
	return string(n.Event)
}

func named(t *flows.NamedThing) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%q", t.Name)
}

// Compose writes a notice as plain text.
func Compose(n flows.Notice) Message {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-12s %s\n", label+":", oneLine(text))
		}
	}
	b.WriteString(oneLine(headline(n)) + ".\n\n")
	line("Time", n.At.UTC().Format(time.RFC3339))
	if n.Flow != nil {
		line("Flow", n.Flow.Name+" ("+n.Flow.ID+")")
	}
	if n.Connection != nil {
		line("Connection", n.Connection.Name+" ("+n.Connection.ID+")")
	}
	if n.Team != nil {
		line("Team", n.Team.Domain)
		line("Goes on at", n.Team.ResumeAt.UTC().Format(time.RFC3339))
	}
	if r := n.Run; r != nil {
		line("Run", r.ID)
		line("Records", fmt.Sprintf("%d read, %d filtered, %d pushed, %d errored", r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored))
	}
	if e := n.Error; e != nil {
		line("Code", string(e.Code))
		line("What it is", e.Title)
		line("Hint", e.Hint)
	}
	line("Link", n.Link)
	b.WriteString("\nYou get one message for each change of state, not for each run.\n")
	return Message{ID: n.ID, Subject: "[celonis-connector] " + oneLine(headline(n)), Body: b.String(), At: n.At}
}

// oneLine keeps what people named from beginning a line of its own.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
