package flows

import (
	"github.com/celonis-connector/connector/crypto"
)

// ExportWebhook reads what other systems send to the flow's own secret URL.
const ExportWebhook ExportType = "webhook"

// WebhookExport is what an export of type webhook takes.
type WebhookExport struct {
	Auth WebhookAuth `json:"auth" validate:"required"`
	// DeliveryHeader names the header that tells one delivery from others; absent, a signature does. A delivery that came
	// before, in the last WebhookMemory, is answered and not stored again.
	DeliveryHeader string `json:"deliveryHeader,omitempty" validate:"max=100"`
	// Challenge answers an object with a text "challenge" with that text, and stores nothing of it.
	Challenge bool `json:"challenge,omitempty"`
	// MaxBody bounds a delivery, as sent and unpacked, in bytes; absent is DefaultWebhookBody.
	MaxBody int64 `json:"maxBody,omitempty" validate:"min=0,max=16777216"`
	// RequestsPerMinute bounds the deliveries that one process takes; absent is DefaultWebhookRate.
	RequestsPerMinute int `json:"requestsPerMinute,omitempty" validate:"min=0,max=60000"`
	// URL is told once, when it is made; it is never taken.
	URL string `json:"url,omitempty" validate:"max=4096"`
}

// WebhookAuthType says how a sender proves itself, beside knowing the URL.
type WebhookAuthType string

// The types of authentication.
const (
	// HookOpen: the URL is all there is to know.
	HookOpen WebhookAuthType = "none"
	// HookToken: a header has the secret.
	HookToken WebhookAuthType = "token"
	// HookBasic: a user name, and the secret as the password.
	HookBasic WebhookAuthType = "basic"
	// HookHMAC: a header has a signature of the body.
	HookHMAC WebhookAuthType = "hmac"
)

// WebhookPreset names the signatures of a well-known sender.
type WebhookPreset string

// The presets; see signingOf for what each stands for.
const (
	PresetGitHub  WebhookPreset = "github"
	PresetShopify WebhookPreset = "shopify"
	PresetStripe  WebhookPreset = "stripe"
	PresetSlack   WebhookPreset = "slack"
)

// WebhookAuth is how the senders of a webhook prove themselves.
type WebhookAuth struct {
	Type WebhookAuthType `json:"type" validate:"required,oneof=none token basic hmac"`
	// Secret is taken and never given; the flow that is stored does not hold it.
	Secret crypto.Secret `json:"secret,omitzero"`
	// Username is that of HookBasic.
	Username string `json:"username,omitempty" validate:"max=256"`
	// Preset stands for all members below.
	Preset WebhookPreset `json:"preset,omitempty" validate:"omitempty,oneof=github shopify stripe slack"`
	// Header has the token or the signature; absent is DefaultTokenHeader or DefaultSignatureHeader.
	Header string `json:"header,omitempty" validate:"max=100"`
	// Prefix stands before the token or the signature: "Bearer ", "sha256=".
	Prefix string `json:"prefix,omitempty" validate:"max=64"`
	// Algorithm is sha256 or sha512; absent is sha256.
	Algorithm string `json:"algorithm,omitempty" validate:"omitempty,oneof=sha256 sha512"`
	// Encoding is hex or base64; absent is hex.
	Encoding string `json:"encoding,omitempty" validate:"omitempty,oneof=hex base64"`
	// SignatureMember makes the header a list of members, "t=1,v1=ab": the name of those with a signature. TimestampMember
	// is the name of the one with the time.
	SignatureMember string `json:"signatureMember,omitempty" validate:"max=32"`
	TimestampMember string `json:"timestampMember,omitempty" validate:"max=32"`
	// TimestampHeader has the time of the signature, in Unix seconds.
	TimestampHeader string `json:"timestampHeader,omitempty" validate:"max=100"`
	// Tolerance is how far that time may be from now, in seconds; absent is DefaultWebhookTolerance.
	Tolerance int `json:"tolerance,omitempty" validate:"min=0,max=86400"`
	// Payload is what is signed: text with {body} and {timestamp}; absent is "{body}", with a time "{timestamp}.{body}".
	Payload string `json:"payload,omitempty" validate:"max=256"`
}

const (
	// DefaultWebhookBody and MaxWebhookBody bound a delivery, in bytes.
	DefaultWebhookBody, MaxWebhookBody = 1 << 20, 16 << 20
	// DefaultWebhookRate is in requests a minute.
	DefaultWebhookRate = 600
	// DefaultWebhookTolerance is in seconds: what senders with signed times recommend.
	DefaultWebhookTolerance = 300
	// DefaultTokenHeader and DefaultSignatureHeader are where nothing else is said.
	DefaultTokenHeader, DefaultSignatureHeader = "X-Webhook-Token", "X-Signature"
)

const (
	bodyMark, timestampMark = "{body}", "{timestamp}"
	sha256Name, sha512Name  = "sha256", "sha512"
	hexName, base64Name     = "hex", "base64"
)

// webhookDefaults fills what a caller left out.
func webhookDefaults(e Export) Export {
	if e.Type != ExportWebhook || e.Webhook == nil {
		return e
	}
	w := *e.Webhook
	if w.MaxBody == 0 {
		w.MaxBody = DefaultWebhookBody
	}
	if w.RequestsPerMinute == 0 {
		w.RequestsPerMinute = DefaultWebhookRate
	}
	w.Auth = w.Auth.withDefaults()
	e.Webhook = &w
	return e
}

func (a WebhookAuth) withDefaults() WebhookAuth {
	switch {
	case a.Type == HookToken && a.Header == "":
		a.Header = DefaultTokenHeader
	case a.Type == HookHMAC && a.Preset == "":
		s := a.signing()
		a.Header, a.Algorithm, a.Encoding, a.Payload = s.header, s.algorithm, s.encoding, s.payload
		if s.timed() {
			a.Tolerance = s.tolerance
		}
	}
	return a
}

// signing is how deliveries are signed, with nothing left out.
type signing struct {
	header, prefix, algorithm, encoding string
	signatureMember, timestampMember    string
	timestampHeader, payload            string
	tolerance                           int
}

// timed reports whether signatures have a time.
func (s signing) timed() bool { return s.timestampHeader != "" || s.timestampMember != "" }

// signingOf gives what a preset stands for.
func signingOf(p WebhookPreset) (_ signing, ok bool) {
	s := signing{algorithm: sha256Name, encoding: hexName, payload: bodyMark, tolerance: DefaultWebhookTolerance}
	switch p {
	case PresetGitHub:
		s.header, s.prefix = "X-Hub-Signature-256", "sha256="
	case PresetShopify:
		s.header, s.encoding = "X-Shopify-Hmac-Sha256", base64Name
	case PresetStripe:
		s.header, s.signatureMember, s.timestampMember, s.payload = "Stripe-Signature", "v1", "t", "{timestamp}.{body}"
	case PresetSlack:
		s.header, s.prefix = "X-Slack-Signature", "v0="
		s.timestampHeader, s.payload = "X-Slack-Request-Timestamp", "v0:{timestamp}:{body}"
	default:
		return signing{}, false
	}
	return s, true
}

// signing gives how a webhook of type hmac is signed.
func (a WebhookAuth) signing() signing {
	if s, ok := signingOf(a.Preset); ok {
		if a.Tolerance != 0 {
			s.tolerance = a.Tolerance
		}
		return s
	}
	s := signing{
		a.Header, a.Prefix, a.Algorithm, a.Encoding, a.SignatureMember, a.TimestampMember, a.TimestampHeader, a.Payload, a.Tolerance,
	}
	for _, d := range []struct {
		to       *string
		fallback string
	}{{&s.header, DefaultSignatureHeader}, {&s.algorithm, sha256Name}, {&s.encoding, hexName}} {
		if *d.to == "" {
			*d.to = d.fallback
		}
	}
	switch {
	case s.payload != "":
	case s.timed():
		s.payload = timestampMark + "." + bodyMark
	default:
		s.payload = bodyMark
	}
	if s.tolerance == 0 {
		s.tolerance = DefaultWebhookTolerance
	}
	return s
}
