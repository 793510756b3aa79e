package flows

import (
	"github.com/celonis-connector/connector/internal/form"
)

// deliveryHints are those of imports of type http and webhook.
func deliveryHints() []form.Hint {
	isHTTP := []form.When{form.Is("type", ImportHTTP)}
	isWebhook := []form.When{form.Is("type", ImportWebhook)}
	sent := []form.When{form.Is("type", ImportHTTP, ImportWebhook)}
	pointer := form.Schema{"pattern": pointerPattern}
	return []form.Hint{
		{Path: "/request", Label: "Request", ShowWhen: isHTTP, Help: "How rows are sent to the API. Its texts may hold columns of the row, as in {{CASE_ID}}, where a request has one row."},
		{
			Path: "/request/method", Label: "Method", Default: MethodPost, Help: "What is done with the rows. PUT and DELETE may be sent again when an answer was lost.",
			Titles: map[string]string{MethodPost: "POST", MethodPut: "PUT", MethodPatch: "PATCH", MethodDelete: "DELETE"},
		},
		{Path: "/request/url", Label: "Path", Example: "v1/orders/{{CASE_ID}}", Refine: form.Schema{"pattern": `^[^\s#\\]*$`}, Help: "The path below the connection's base URL."},
		{Path: "/request/headers", Label: "Headers", Help: "Headers of the request, beside those of the connection. They must hold no secret."},
		{Path: "/request/headers/*/name", Label: "Name", Example: "Prefer", Help: "The header's name."},
		{Path: "/request/headers/*/value", Label: "Value", Example: "return=minimal", Help: "The header's value."},
		{
			Path: "/webhook", Label: "Webhook", ShowWhen: isWebhook,
			Help: "Where rows are sent, and how they are signed. A delivery has an id in the header " + DeliveryIDHeader + ", the same however often it is sent.",
		},
		{Path: "/webhook/url", Label: "URL", Example: "https://hooks.example.com/orders", Refine: form.Schema{"pattern": `^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\]+(?:[/?][^\s#\\]*)?$`}, Help: "Where deliveries go. It is shown as it is."},
		{
			Path: "/webhook/secret", Label: "Secret", Secret: true, Refine: form.Schema{"anyOf": []form.Schema{{"maxLength": 0}, {"minLength": minDeliverySecret}}},
			Help: "The key of the signatures. It is stored encrypted and never shown. A new one takes over at once; the one before goes on beside it for a while.",
		},
		{Path: "/webhook/header", Label: "Signature header", Default: DefaultDeliverySignature, Refine: headerPattern(), Help: "The header with the time and the signatures: t=<Unix seconds>,v1=<hex>."},
		{Path: "/webhook/algorithm", Label: "Algorithm", Default: sha256Name, Help: "The hash of the signatures."},
		{Path: "/webhook/headers", Label: "Headers", Help: "Headers that are sent beside ours. They must hold no secret."},
		{Path: "/webhook/headers/*/name", Label: "Name", Example: "X-Source", Help: "The header's name."},
		{Path: "/webhook/headers/*/value", Label: "Value", Example: "celonis", Help: "The header's value."},
		{Path: "/webhook/secretOverlap", Label: "Overlap in seconds", Default: DefaultSecretOverlap, Help: "How long deliveries are signed with the secret before, too, once there is a new one."},
		{Path: "/batch", Label: "Rows a request", Default: 1, ShowWhen: sent, Help: "How many rows a request has at most. With 1 its body is an object, else a list."},
		{
			Path: "/bodyFormat", Label: "Body", Default: BodyJSON, ShowWhen: isHTTP, Help: "How the body is written. A DELETE has none unless this is set.",
			Titles: map[string]string{BodyJSON: "JSON", BodyNDJSON: "A JSON object on each line"},
		},
		{Path: "/itemsPath", Label: "Rows at", ShowWhen: isHTTP, Example: "/data/items", Refine: pointer, Help: "The JSON Pointer of where the rows stand in the body. Left out, they are the body."},
		{
			Path: "/resultsPath", Label: "Results at", ShowWhen: isHTTP, Example: "/results", Refine: pointer,
			Help: "The JSON Pointer of a list in the answer with an object for each row in order, whose status is an HTTP status. Left out, an answer speaks of all rows.",
		},
		{Path: "/omitNulls", Label: "Leave out nulls", Default: false, ShowWhen: sent, Help: "Whether members without a value are left out of the body; else they are null."},
		{
			Path: "/idempotencyHeader", Label: "Idempotency header", ShowWhen: isHTTP, Example: "Idempotency-Key", Refine: headerPattern(),
			Help: "The header by whose value the API tells a repeated request. With it a POST may be sent again when its answer was lost.",
		},
		{
			Path: "/concurrency", Label: "Requests at once", Default: 1, ShowWhen: isHTTP,
			Help: "How many requests are under way at once. More than 1 does not keep the order of rows.",
		},
		{Path: "/capture", Label: "Keep the answers", Default: false, ShowWhen: sent, Help: "Whether the answers of a run are kept as a file that can be downloaded."},
	}
}

// deliveryRules are those of imports of type http and webhook.
func deliveryRules() []form.Schema {
	repeatable := form.Schema{"anyOf": []form.Schema{
		form.Need("idempotencyHeader"),
		{"required": []string{"request"}, "properties": form.Schema{"request": form.Schema{
			"required": []string{"method"}, "properties": form.Schema{"method": form.Schema{"enum": []string{MethodPut, MethodDelete}}},
		}}},
	}}
	many := form.Schema{"required": []string{"batch"}, "properties": form.Schema{"batch": form.Schema{"minimum": 2}}}
	return []form.Schema{
		form.If(map[string]any{"type": ImportWebhook}, form.Schema{"required": []string{"webhook"}}),
		{
			"if":   form.Schema{"required": []string{"concurrency"}, "properties": form.Schema{"concurrency": form.Schema{"minimum": 2}}},
			"then": repeatable,
		},
		{"if": form.Schema{"required": []string{"resultsPath"}}, "then": many},
		form.If(map[string]any{"bodyFormat": BodyNDJSON}, form.Without("itemsPath")),
	}
}
