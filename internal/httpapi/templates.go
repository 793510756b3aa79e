package httpapi

import (
	"github.com/celonis-connector/connector/flows"
)

// templateQuery names the query parameters that fill a template.
func templateQuery() []string {
	return []string{flows.TemplateConnection, flows.TemplateImportConnection, flows.TemplateTable, flows.TemplateName}
}

func (a *api) listFlowTemplates(*call) (reply, error) {
	return ok(listing[flows.FlowTemplate]{Items: flows.Templates()})
}

func (a *api) getFlowTemplate(r *call) (reply, error) {
	given := map[string]string{}
	for _, name := range templateQuery() {
		given[name] = r.query.Get(name)
	}
	t, err := flows.FindTemplate(shorten(r.Param("id")), given)
	if err != nil {
		return reply{}, err
	}
	return ok(t)
}
