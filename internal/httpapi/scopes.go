package httpapi

import "github.com/celonis-connector/connector/internal/access"

type scopeView struct {
	Scope       access.Scope `json:"scope"`
	Description string       `json:"description"`
}

type presetView struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Scopes      []access.Scope `json:"scopes"`
}

// scopeCatalog is the list of scopes, and the sets of them that have names.
type scopeCatalog struct {
	listing[scopeView]
	Presets []presetView `json:"presets"`
}

func (a *api) listScopes(*call) (reply, error) {
	var out scopeCatalog
	for _, d := range access.Catalogue() {
		out.Items = append(out.Items, scopeView(d))
	}
	for _, p := range access.Presets() {
		out.Presets = append(out.Presets, presetView(p))
	}
	return ok(out)
}
