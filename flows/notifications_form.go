package flows

import "github.com/celonis-connector/connector/internal/form"

// NotificationForm is the form of a notification.
func NotificationForm() form.Spec {
	webhook, email := form.Is("type", ByWebhook), form.Is("type", ByEmail)
	return form.Spec{
		Title: "Notification", Help: "Who is told when something changes: one message for each change, not for each run.", Of: NotificationDraft{},
		Hints: []form.Hint{
			{
				Path: "/name", Label: "Name", Example: "On call", Refine: form.Schema{"pattern": `\S`},
				Help: "What people know the notification by. It is unique in the workspace, whatever its case.",
			},
			{
				Path: "/type", Label: "Way", Help: "How the message goes out.",
				Titles: map[string]string{string(ByWebhook): "A signed request to a URL", string(ByEmail): "An e-mail"},
			},
			{
				Path: "/events", Label: "Events", Example: []NotificationEvent{RunFailed, RunRecovered},
				Help: "The changes that the message is about.",
			},
			{
				Path: "/events/*", Label: "Event", Help: "A change of state.",
				Titles: map[string]string{
					string(RunFailed): "A flow's runs begin to fail", string(RunRecovered): "A flow's runs succeed again",
					string(ConnectionOffline): "A connection goes offline", string(ConnectionOnline): "A connection comes back online",
					string(BudgetShort):  "A team's push submissions of the hour are spent",
					string(EventsMissed): "Events of Celonis did not come", string(SubscriptionWasSuspended): "Celonis had suspended a subscription",
				},
			},
			{
				Path: "/flowIds", Label: "Flows", Help: "The flows that the message is about, and those whose connections it is about. Left out: all.",
				OptionsFrom: &form.Options{Path: "/v1/flows", Value: "id", Label: "name"},
			},
			{
				Path: "/url", Label: "URL", Example: "https://ops.example.com/hooks/celonis", ShowWhen: []form.When{webhook}, Refine: form.Schema{"format": "uri"},
				Help: "Where the request is posted. The operator says which hosts may be called; redirects are not followed.",
			},
			{
				Path: "/secret", Label: "Signing secret", Secret: true, ShowWhen: []form.When{webhook},
				Refine: form.Schema{
					"type": "string", "pattern": `^$|^[!-~]{16,}$`, "not": form.Schema{"pattern": `\*\*\*`}, "maxLength": maxNotificationSecret,
				},
				Help: "Signs each request with HMAC-SHA256, so that the receiver knows who sent it. It is stored encrypted and never shown again.",
			},
			{
				Path: "/to", Label: "To", Example: []string{"ops@example.com"}, ShowWhen: []form.When{email},
				Help: "The addresses that get the e-mail.",
			},
			{Path: "/enabled", Label: "Enabled", Default: true, Help: "Whether messages go out."},
		},
		Rules: map[string][]form.Schema{"": {
			form.If(map[string]any{"type": ByWebhook}, form.All(form.Need("url", "secret"), form.Without("to"))),
			form.If(map[string]any{"type": ByEmail}, form.All(form.Need("to"), form.Without("url", "secret"))),
		}},
	}
}
