package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// Forms are the form documents by their kind, ready to be answered.
type Forms map[string]json.RawMessage

// NewForms makes the documents of all forms. domains decides what a domain may be.
func NewForms(domains *connections.DomainPolicy) (Forms, error) {
	all := Forms{}
	for kind, spec := range map[string]form.Spec{
		"connection":   connections.Form(domains),
		"oauthClient":  connections.OAuthClientForm(domains),
		"flow":         flows.Form(),
		"export":       flows.ExportForm(),
		"import":       flows.ImportForm(),
		"notification": flows.NotificationForm(),
	} {
		doc := spec.Document()
		doc["$id"] = "urn:celonis-connector:form:" + kind
		text, err := encode(doc)
		if err != nil {
			return nil, err
		}
		all[kind] = text
	}
	return all, nil
}

func (a *api) getForm(r *call) (reply, error) {
	kind := r.Param("kind")
	doc, known := a.Forms[kind]
	if !known {
		return reply{}, fault.New(fault.RequestNotFound, "there is no form %q", shorten(kind)).
			WithHint("the forms are %s", strings.Join(slices.Sorted(maps.Keys(a.Forms)), ", "))
	}
	return ok(doc)
}
