package flows

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// DefaultDeliverySignature is the header with the signature of a webhook that is sent, DeliveryIDHeader the one that
	// tells a delivery from others, the same however often it is sent.
	DefaultDeliverySignature, DeliveryIDHeader = "Connector-Signature", "Connector-Delivery"
	// DefaultSecretOverlap and MaxSecretOverlap bound how long deliveries are signed with the secret before, too, in seconds.
	DefaultSecretOverlap, MaxSecretOverlap = 86_400, 7 * 86_400
	// minDeliverySecret is the shortest secret that deliveries are signed with, in bytes.
	minDeliverySecret = 16
)

// WebhookImport is what an import of type webhook takes. A delivery carries
// Header: t=<Unix seconds>,v1=<hex of the HMAC over "<t>.<body>">, with a v1 for
// each secret that is good.
type WebhookImport struct {
	// URL is where deliveries go; it is shown as it is.
	URL string `json:"url" validate:"required,max=4096"`
	// Secret is taken and never given; the flow that is stored does not hold it.
	Secret crypto.Secret `json:"secret,omitzero"`
	// Header absent is DefaultDeliverySignature.
	Header string `json:"header,omitempty" validate:"max=100"`
	// Algorithm is sha256 or sha512; absent is sha256.
	Algorithm string `json:"algorithm,omitempty" validate:"omitempty,oneof=sha256 sha512"`
	// Headers are sent beside ours; they must hold no secret.
	Headers []connections.Header `json:"headers,omitempty" validate:"max=50,dive"`
	// SecretOverlap is how long the secret before goes on after a new one, in seconds; absent is DefaultSecretOverlap.
	SecretOverlap *int `json:"secretOverlap,omitempty" validate:"omitempty,min=0,max=604800"`
}

// webhookImportKind is an import whose rows are sent to a URL, signed.
func webhookImportKind() importKind {
	return importKind{members: []string{"webhook", "batch", "omitNulls", "capture"}, defaults: webhookImportDefaults, check: checkWebhookImport}
}

func webhookImportDefaults(i Import) Import {
	if i.Batch == 0 {
		i.Batch = 1
	}
	if i.Webhook == nil {
		return i
	}
	w := *i.Webhook
	if w.Header == "" {
		w.Header = DefaultDeliverySignature
	}
	if w.Algorithm == "" {
		w.Algorithm = sha256Name
	}
	if w.SecretOverlap == nil {
		overlap := DefaultSecretOverlap
		w.SecretOverlap = &overlap
	}
	i.Webhook = &w
	return i
}

func checkWebhookImport(i Import) (fields []fault.Field) {
	w := i.Webhook
	if w == nil {
		return []fault.Field{missing("/import/webhook", "must be given")}
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		fields = append(fields, invalid("/import/webhook/url", "must be an absolute URL with https"))
	case u.User != nil:
		fields = append(fields, invalid("/import/webhook/url", "must not hold a user name or password"))
	case u.Fragment != "" || strings.ContainsAny(w.URL, "\r\n\t \\"):
		fields = append(fields, invalid("/import/webhook/url", "must not hold spaces, backslashes, line breaks or a fragment"))
	}
	if n := len(w.Secret.Reveal()); n > 0 && n < minDeliverySecret {
		fields = append(fields, invalid("/import/webhook/secret", fmt.Sprintf("must have at least %d bytes", minDeliverySecret)))
	}
	fields = append(fields, checkOwnHeader("/import/webhook/header", w.Header)...)
	if strings.EqualFold(w.Header, DeliveryIDHeader) {
		fields = append(fields, invalid("/import/webhook/header", "has the delivery's id already"))
	}
	for n, h := range w.Headers {
		at := fmt.Sprintf("/import/webhook/headers/%d", n)
		fields = append(fields, checkRequestHeader(at, h)...)
		if strings.EqualFold(h.Name, w.Header) || strings.EqualFold(h.Name, DeliveryIDHeader) || strings.EqualFold(h.Name, "content-type") {
			fields = append(fields, invalid(at+"/name", "is set for every delivery already"))
		}
	}
	return fields
}
