package app

import (
	"fmt"
	"strings"

	"github.com/celonis-connector/connector/internal/access"
)

// address is where callers reach the service, "" where that is not known; it
// is the issuer of its tokens.
func (a *App) address() string { return strings.TrimRight(a.cfg.PublicURL, "/") }

func (a *App) makeAccess() error {
	outside, err := a.outsideTokens()
	if err != nil {
		return err
	}
	a.Access, err = access.New(access.Deps{
		Repository: a.Store, Keys: a.Keyring, Issuer: a.address(), Outside: outside, Now: a.now, NewID: newID,
	})
	return err
}

// outsideTokens gives the tokens of another house that are accepted, nil for none.
func (a *App) outsideTokens() (*access.Outside, error) {
	if a.cfg.OIDCIssuer == "" {
		return nil, nil
	}
	if a.cfg.OIDCIssuer == a.address() {
		return nil, fmt.Errorf("configuration: CONNECTOR_OIDC_ISSUER is the service itself")
	}
	workspace := a.cfg.OIDCWorkspace
	if workspace == "" && a.cfg.OIDCWorkspaceClaim == "" {
		workspace = Workspace
	}
	outside, err := access.NewOutside(access.OutsideConfig{
		Issuer: a.cfg.OIDCIssuer, Audience: a.cfg.OIDCAudience, ScopesClaim: a.cfg.OIDCScopesClaim, ScopePrefix: a.cfg.OIDCScopePrefix,
		WorkspaceClaim: a.cfg.OIDCWorkspaceClaim, Workspace: workspace, Transport: a.Egress.Transport(), Now: a.now,
	})
	if err != nil {
		return nil, fmt.Errorf("configuration: CONNECTOR_OIDC_*: %w", err)
	}
	return outside, nil
}
