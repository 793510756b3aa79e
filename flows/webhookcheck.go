package flows

import (
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// maxHookSecret bounds the secret of a webhook, in bytes.
const maxHookSecret = 1024

const webhookAuthPointer = "/export/webhook/auth"

// checkWebhook finds what an export of type webhook lacks, and what contradicts itself.
func checkWebhook(e Export) (fields []fault.Field) {
	fields = checkPointers(pointed{"/export/itemsPath", e.ItemsPath})
	w := e.Webhook
	if w == nil {
		return append(fields, missing("/export/webhook", "must be given: it says how senders prove themselves"))
	}
	if w.URL != "" {
		fields = append(fields, invalid("/export/webhook/url", "is told when it is made and cannot be chosen; POST .../webhook/rotate makes another"))
	}
	if w.DeliveryHeader != "" && !isHeaderName(w.DeliveryHeader) {
		fields = append(fields, invalid("/export/webhook/deliveryHeader", "is no name of a header"))
	}
	return append(fields, w.Auth.check()...)
}

// isHeaderName knows the token of RFC 9110.
func isHeaderName(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~") == ""
}

// hookMember is a member of WebhookAuth, and the types that have it.
type hookMember struct {
	name  string
	given bool
	types []WebhookAuthType
	// preset says that a preset may stand beside it.
	preset bool
}

func (a WebhookAuth) members() []hookMember {
	hmac, both := []WebhookAuthType{HookHMAC}, []WebhookAuthType{HookHMAC, HookToken}
	return []hookMember{
		{"username", a.Username != "", []WebhookAuthType{HookBasic}, true},
		{"secret", !a.Secret.IsZero(), []WebhookAuthType{HookHMAC, HookToken, HookBasic}, true},
		{"preset", a.Preset != "", hmac, true},
		{"tolerance", a.Tolerance != 0, hmac, true},
		{"header", a.Header != "", both, false},
		{"prefix", a.Prefix != "", both, false},
		{"algorithm", a.Algorithm != "", hmac, false},
		{"encoding", a.Encoding != "", hmac, false},
		{"signatureMember", a.SignatureMember != "", hmac, false},
		{"timestampMember", a.TimestampMember != "", hmac, false},
		{"timestampHeader", a.TimestampHeader != "", hmac, false},
		{"payload", a.Payload != "", hmac, false},
	}
}

func (a WebhookAuth) check() (fields []fault.Field) {
	for _, m := range a.members() {
		belongs := false
		for _, t := range m.types {
			belongs = belongs || t == a.Type
		}
		switch {
		case !m.given:
		case !belongs:
			fields = append(fields, invalid(webhookAuthPointer+"/"+m.name, "does not belong to the type "+string(a.Type)))
		case a.Preset != "" && !m.preset:
			fields = append(fields, invalid(webhookAuthPointer+"/"+m.name, "is what the preset stands for; leave one of the two out"))
		}
	}
	for name, header := range map[string]string{"header": a.Header, "timestampHeader": a.TimestampHeader} {
		if header != "" && !isHeaderName(header) {
			fields = append(fields, invalid(webhookAuthPointer+"/"+name, "is no name of a header"))
		}
	}
	if strings.ContainsAny(a.Prefix, "\r\n\x00") {
		fields = append(fields, invalid(webhookAuthPointer+"/prefix", "holds a line break"))
	}
	if a.Type == HookBasic && (a.Username == "" || strings.ContainsAny(a.Username, ":\r\n\x00")) {
		fields = append(fields, invalid(webhookAuthPointer+"/username", "must be given, without a colon"))
	}
	if a.Type == HookHMAC && a.Preset == "" {
		fields = append(fields, a.checkSigning()...)
	}
	if a.Type == HookHMAC && a.Tolerance != 0 && !a.signing().timed() {
		fields = append(fields, invalid(webhookAuthPointer+"/tolerance", "belongs to signatures with a time"))
	}
	if detail := badHookSecret(a.Secret); detail != "" {
		fields = append(fields, invalid(webhookAuthPointer+"/secret", detail))
	}
	return fields
}

// checkSigning: a time that is not signed proves nothing.
func (a WebhookAuth) checkSigning() (fields []fault.Field) {
	s := a.signing()
	add := func(name, detail string) { fields = append(fields, invalid(webhookAuthPointer+"/"+name, detail)) }
	if strings.Count(s.payload, bodyMark) != 1 {
		add("payload", `must have "{body}" once`)
	}
	switch marks := strings.Count(s.payload, timestampMark); {
	case s.timed() && marks != 1:
		add("payload", `must have "{timestamp}" once: a time that is not signed proves nothing`)
	case !s.timed() && marks > 0:
		add("payload", `has a "{timestamp}", but no header or member has the time`)
	}
	if s.timestampHeader != "" && s.timestampMember != "" {
		add("timestampMember", "leave this or timestampHeader out")
	}
	if s.timestampMember != "" && s.signatureMember == "" {
		add("signatureMember", "must be given where the time is a member")
	}
	if s.signatureMember != "" && s.signatureMember == s.timestampMember {
		add("timestampMember", "must differ from signatureMember")
	}
	for name, text := range map[string]string{"signatureMember": s.signatureMember, "timestampMember": s.timestampMember} {
		if text != "" && !isHeaderName(text) {
			add(name, "must be a plain word")
		}
	}
	return fields
}

// badHookSecret says what is wrong with a secret, "" for a good one or none.
func badHookSecret(s crypto.Secret) string {
	if _, is := s.Ref(); is {
		return "a reference is not taken here: give the secret itself"
	}
	text := s.Reveal()
	switch {
	case text == "":
		return ""
	case len(text) > maxHookSecret:
		return "is too long"
	case strings.ContainsAny(text, "\r\n\x00"):
		return "holds a line break"
	case strings.TrimSpace(text) != text:
		return "begins or ends with a blank"
	case connections.IsMask(text):
		return "is a mask, not a secret; leave it out to keep the stored one"
	}
	return ""
}
