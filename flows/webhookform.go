package flows

import "github.com/celonis-connector/connector/internal/form"

// webhookHints are those of a webhook.
func webhookHints() []form.Hint {
	isHook := []form.When{form.Is("type", ExportWebhook)}
	isHMAC := form.Is("type", HookHMAC)
	// An unknown sender's signatures are described one by one.
	own := []form.When{isHMAC, form.Is("preset", "", nil)}
	const at = "/webhook"
	return []form.Hint{
		{
			Path: at, Label: "Webhook", ShowWhen: isHook,
			Help: "The flow gets a secret URL that others send records to. It is shown once, when the flow is saved; a new one can be made.",
		},
		{Path: at + "/auth", Label: "Senders", Help: "How senders prove themselves, beside knowing the URL."},
		{
			Path: at + "/auth/type", Label: "Proof", Help: "What a sender must bring.",
			Titles: map[string]string{
				string(HookOpen): "Nothing but the URL", string(HookToken): "A token in a header", string(HookBasic): "A user name and a password",
				string(HookHMAC): "A signature of the body (HMAC)",
			},
		},
		{
			Path: at + "/auth/secret", Label: "Secret", Secret: true, ShowWhen: []form.When{form.Is("type", HookToken, HookBasic, HookHMAC)},
			Help: "The token, the password, or the key of the signatures. It is stored encrypted and never shown.",
		},
		{Path: at + "/auth/username", Label: "User name", ShowWhen: []form.When{form.Is("type", HookBasic)}, Help: "The user name that the sender gives.", Refine: form.Schema{"pattern": `^[^:\r\n\x00]*$`}},
		{
			Path: at + "/auth/preset", Label: "Sender", ShowWhen: []form.When{isHMAC},
			Help: "A well-known way to sign. Left out, the way is described below.",
			Titles: map[string]string{
				string(PresetGitHub): "GitHub", string(PresetShopify): "Shopify", string(PresetStripe): "Stripe and alike", string(PresetSlack): "Slack and alike",
			},
		},
		{
			Path: at + "/auth/header", Label: "Header", ShowWhen: []form.When{form.Is("type", HookToken, HookHMAC), form.Is("preset", "", nil)}, Example: DefaultSignatureHeader,
			Help: "The header with the token or the signature.", Refine: headerPattern(),
		},
		{
			Path: at + "/auth/prefix", Label: "Prefix", ShowWhen: []form.When{form.Is("type", HookToken, HookHMAC), form.Is("preset", "", nil)}, Example: "sha256=",
			Help: "What stands before the token or the signature.", Refine: form.Schema{"pattern": `^[^\r\n\x00]*$`},
		},
		{Path: at + "/auth/algorithm", Label: "Algorithm", Default: sha256Name, ShowWhen: own, Help: "The hash of the signature."},
		{Path: at + "/auth/encoding", Label: "Encoding", Default: hexName, ShowWhen: own, Help: "How the signature is written."},
		{
			Path: at + "/auth/signatureMember", Label: "Signature member", ShowWhen: own, Example: "v1", Refine: headerPattern(),
			Help: "For a header of the form t=1,v1=ab: the name of the members with a signature.",
		},
		{
			Path: at + "/auth/timestampMember", Label: "Time member", ShowWhen: own, Example: "t", Refine: headerPattern(),
			Help: "The name of its member with the time, in Unix seconds.",
		},
		{
			Path: at + "/auth/timestampHeader", Label: "Time header", ShowWhen: own, Example: "X-Timestamp", Refine: headerPattern(),
			Help: "The header with the time of the signature, in Unix seconds.",
		},
		{
			Path: at + "/auth/tolerance", Label: "Tolerance in seconds", Default: DefaultWebhookTolerance, ShowWhen: []form.When{isHMAC},
			Help: "How far the time of a signature may be from now.",
		},
		{
			Path: at + "/auth/payload", Label: "What is signed", ShowWhen: own, Example: "v0:{timestamp}:{body}",
			Help: "A text with {body} and {timestamp}. Left out, the body alone, or with a time {timestamp}.{body}.",
		},
		{
			Path: at + "/deliveryHeader", Label: "Delivery header", Example: "X-GitHub-Delivery", Refine: headerPattern(),
			Help: "The header that tells one delivery from others, so that a repeat within 24 hours is not stored again. Left out, a signature does.",
		},
		{Path: at + "/challenge", Label: "Answer challenges", Default: false, Help: "Whether an object with a text \"challenge\" is answered with that text, as some senders want it before they begin."},
		{Path: at + "/maxBody", Label: "Largest body in bytes", Default: DefaultWebhookBody, Help: "How large a delivery may be, as sent and unpacked."},
		{Path: at + "/requestsPerMinute", Label: "Deliveries a minute", Default: DefaultWebhookRate, Help: "How many deliveries a minute each process of the service takes."},
		{Path: at + "/url", Omit: true},
	}
}

func headerPattern() form.Schema {
	return form.Schema{"pattern": "^[0-9A-Za-z!#$%&'*+.^_`|~-]*$"}
}

// webhookRules: a webhook stands alone, and nothing else has one.
func webhookRules() []form.Schema {
	rules := []form.Schema{form.If(map[string]any{"type": ExportWebhook}, form.All(
		form.Schema{"required": []string{"webhook"}}, form.Without("fileId", "url", "connectionId", "prefix"),
		form.Absent("format", "csv", "request", "paging", "delta"),
	))}
	for _, t := range sortedExports() {
		if t != ExportWebhook {
			rules = append(rules, form.If(map[string]any{"type": t}, form.Absent("webhook")))
		}
	}
	return rules
}

// webhookAuthRules: each type of proof has members of its own, and a preset stands for what describes a signature.
func webhookAuthRules() []form.Schema {
	signing := []string{"signatureMember", "timestampMember", "timestampHeader", "payload", "algorithm", "encoding"}
	untimed := form.Schema{"properties": form.Schema{"tolerance": form.Schema{"const": 0}}}
	unsigned := form.All(form.Without(append([]string{"preset"}, signing...)...), untimed)
	return []form.Schema{
		form.If(map[string]any{"type": HookOpen}, form.All(unsigned, form.Without("secret", "username", "header", "prefix"))),
		form.If(map[string]any{"type": HookToken}, form.All(unsigned, form.Without("username"))),
		form.If(map[string]any{"type": HookBasic}, form.All(unsigned, form.Without("header", "prefix"), form.Need("username"))),
		form.If(map[string]any{"type": HookHMAC}, form.Without("username")),
		{"if": form.Need("preset"), "then": form.Without(append([]string{"header", "prefix"}, signing...)...)},
	}
}
