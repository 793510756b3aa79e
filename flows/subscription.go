package flows

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// ExportEventSubscription takes the events of a trigger of a knowledge model,
// which Celonis delivers to this service by itself.
const ExportEventSubscription ExportType = "eventSubscription"

const (
	// StartLatest begins with the events that come after the subscription is made.
	StartLatest = "latest"
	// EventsPath is the path below the public URL that Celonis delivers to; the secret token follows it.
	EventsPath = "/hooks/events/"
	// maxCallback bounds the address that Celonis delivers to, in characters (Celonis Event Subscription API, callbackInfo).
	maxCallback = 1024
	// maxSubscriptionName leaves room in the 1,024 characters of a subscription's name for the mark that makes it ours.
	maxSubscriptionName = 900
)

// subscriptionKind is the entry of exportKinds.
func subscriptionKind() exportKind {
	return exportKind{
		reads:   []connections.APIType{connections.Intelligence},
		members: []string{"connectionId", "knowledgeModelId", "triggerId", "name", "skipErrors", "startFrom", "gather"},
		check:   checkSubscription,
	}
}

// subscriptionDefaults fills what a caller left out, and what it filled in does
// not stand in the way of another type.
func subscriptionDefaults(e Export) Export {
	switch {
	case e.Type == ExportEventSubscription && e.StartFrom == "":
		e.StartFrom = StartLatest
	case e.Type != ExportEventSubscription && e.StartFrom == StartLatest:
		e.StartFrom = ""
	}
	return e
}

func checkSubscription(e Export) (fields []fault.Field) {
	for _, m := range []struct{ name, value, detail string }{
		{"connectionId", e.ConnectionID, "must name a connection of type intelligence"},
		{"knowledgeModelId", e.KnowledgeModelID, "must name a knowledge model, as <package key>.<knowledge model key>"},
		{"triggerId", e.TriggerID, "must name a trigger of the knowledge model"},
	} {
		if strings.TrimSpace(m.value) == "" {
			fields = append(fields, missing("/export/"+m.name, m.detail))
		}
	}
	if _, ok := e.startOffset(); !ok {
		fields = append(fields, invalid("/export/startFrom", "must be "+StartLatest+" or the offset of an event, a whole number from 0"))
	}
	return fields
}

// startOffset gives the offset that an export begins with, UnknownOffset for
// the latest; ok is false for a text that is neither.
func (e Export) startOffset() (offset int64, ok bool) {
	if e.StartFrom == "" || e.StartFrom == StartLatest {
		return UnknownOffset, true
	}
	n, err := strconv.ParseInt(e.StartFrom, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == e.StartFrom
}

// Callback is the address below which Celonis delivers events: a token follows
// it. Fault SubscriptionPublicURL when the service's public address is not
// known, or Celonis could not reach it.
func Callback(publicURL string) (string, error) {
	const hint = "set CONNECTOR_PUBLIC_URL to the address under which Celonis reaches this service, for example https://connector.example.com"
	if strings.TrimSpace(publicURL) == "" {
		return "", fault.New(fault.SubscriptionPublicURL, "the service does not know the address that celonis delivers events to").WithHint("%s", hint)
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fault.New(fault.SubscriptionPublicURL, "the service's public address is no address of a host and a path").WithHint("%s", hint)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", fault.New(fault.SubscriptionPublicURL, "celonis delivers events to addresses that begin with https:// only").WithHint("%s", hint)
	}
	base := strings.TrimRight(publicURL, "/") + EventsPath
	if len(base)+hookTokenBytes*2 > maxCallback {
		return "", fault.New(fault.SubscriptionPublicURL, "the service's public address is too long").WithHint("%s", hint)
	}
	return base, nil
}

// isLoopback lets a simulator on this machine deliver without TLS.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

func subscriptionHints() []form.Hint {
	isEvents := []form.When{form.Is("type", ExportEventSubscription)}
	triggers := form.Picker("triggers", "connectionId")
	triggers.Params, triggers.Custom = map[string]string{"knowledgeModel": "knowledgeModelId"}, true
	return []form.Hint{
		{
			Path: "/triggerId", Label: "Trigger", ShowWhen: isEvents, OptionsFrom: triggers, Example: "order-blocked",
			Help:  "The trigger of the knowledge model whose events are taken.",
			HowTo: []string{"In Celonis Studio, open the knowledge model: its triggers stand beside its records, and the model must be published."},
		},
		{
			Path: "/name", Label: "Name in Celonis", ShowWhen: isEvents, Example: "Orders to the data pool",
			Help: "What the subscription is called in Celonis. Left out, it has the name of the flow.",
		},
		{
			Path: "/skipErrors", Label: "Skip errors", Default: false, ShowWhen: isEvents,
			Help: "Whether Celonis goes on with the next event where one cannot be made.",
		},
		{
			Path: "/startFrom", Label: "Begin with", Default: StartLatest, ShowWhen: isEvents, Example: "0", Refine: form.Schema{"pattern": `^$|^(?:latest|0|[1-9][0-9]{0,17})$`},
			Help: "latest takes the events from now on; a number takes those from that offset on that Celonis still has. It counts when the subscription is made.",
		},
	}
}

// subscriptionRules: an export of events takes its own members, and no other export takes theirs.
func subscriptionRules() (rules []form.Schema) {
	own := []string{"triggerId", "name", "skipErrors", "startFrom"}
	for _, t := range sortedExports() {
		members := exportKinds()[t].members
		if t == ExportEventSubscription {
			rules = append(rules, form.If(map[string]any{"type": t}, form.All(form.Need("connectionId", "knowledgeModelId", "triggerId"),
				strangers(func(name string) bool { return !slices.Contains(members, name) }))))
			continue
		}
		rules = append(rules, form.If(map[string]any{"type": t}, strangers(func(name string) bool {
			return slices.Contains(own, name) && !slices.Contains(members, name)
		})))
	}
	return rules
}
