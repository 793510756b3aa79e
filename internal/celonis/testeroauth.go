package celonis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// tokens gives the tester's tokens, with the patience of a test.
func (t *Tester) tokens() *Tokens {
	if t.cfg.Tokens != nil {
		return t.cfg.Tokens
	}
	return NewTokens(TokensConfig{Transport: t.cfg.Transport, Logger: t.cfg.Logger, Now: t.cfg.Now, UserAgent: t.cfg.UserAgent, Retry: t.cfg.Retry})
}

// loginOAuth takes the steps dns, tls, auth and scope of a connection with
// OAuth. It always gets a new token: a kept one would say nothing of the secret.
func (r *testRun) loginOAuth(ctx context.Context, client *Client) bool {
	tokens := r.tester.tokens()
	at := login{base: origin(client.base), oauth: r.target.OAuth}
	var far progress
	token, err := tokens.exchange(ctx, at, &far)
	err = expired(ctx, err)
	if err != nil && !answered(err) && !far.connected.Load() {
		r.unreached(err, &far)
		return false
	}
	r.reached()
	if err != nil {
		r.fail(stepAuth, r.otherMethod(ctx, tokens, at, err))
		return false
	}
	tokens.keep(at, token)
	client.redact.also(token.redact)
	r.ok(stepAuth, authDetail(token))
	return r.scope(token)
}

func authDetail(t *accessToken) string {
	life := "which does not say how long it lives"
	if t.life > 0 {
		life = "which lives for " + t.life.Truncate(time.Second).String()
	}
	return join("; ", fmt.Sprintf("celonis gave an access token, %s; the token endpoint is %s, %s", life, t.from.token, t.from.where()), t.from.note)
}

// otherMethod tries a refused secret in the other way to authenticate: the
// method is a property of the client in Celonis, and easily mistaken.
func (r *testRun) otherMethod(ctx context.Context, tokens *Tokens, at login, refused error) error {
	if !fault.Has(refused, fault.CelonisOAuthClient) || at.oauth.Grant == connections.AuthorizationCode {
		return refused
	}
	other := *at.oauth
	other.AuthMethod = connections.ClientSecretPost
	if at.oauth.AuthMethod == connections.ClientSecretPost {
		other.AuthMethod = connections.ClientSecretBasic
	}
	if _, err := tokens.exchange(ctx, login{at.base, &other}, nil); err != nil {
		return refused
	}
	names := map[connections.AuthMethod]string{connections.ClientSecretBasic: "client secret basic", connections.ClientSecretPost: "client secret post"}
	return fault.New(fault.CelonisOAuthMethod, "celonis takes the secret of this OAuth client by %q, not by %q", names[other.AuthMethod], names[at.oauth.AuthMethod]).
		WithHint("choose the OAuth client's authMethod %q here, or change its authentication method %s", other.AuthMethod, clientPlace)
}

// scope takes the step scope: what was granted, what was asked for, and what
// the connection's work needs.
func (r *testRun) scope(t *accessToken) bool {
	var missing []string
	for _, asked := range r.target.OAuth.Scopes {
		if !slices.Contains(t.scopes, asked) {
			missing = append(missing, asked)
		}
	}
	if err := neededScope(r.target.APIType, t.scopes); err != nil {
		r.fail(stepScope, err)
		return false
	}
	detail := fmt.Sprintf("granted: %s", strings.Join(t.scopes, " "))
	if len(missing) > 0 {
		detail += fmt.Sprintf("; asked for and not granted: %s", strings.Join(missing, " "))
	}
	r.ok(stepScope, detail)
	return true
}

// intelligenceWork lists what connections of the type Intelligence are for.
func intelligenceWork() []connections.Operation {
	return []connections.Operation{
		connections.ReadKnowledgeModels, connections.SubscribeToEvents, connections.AskProcessCopilot, connections.ReadAuditLog,
		connections.ReadLoginHistory, connections.ReadMembers, connections.ReadPermissions, connections.ReadAdoption,
		connections.ProvisionUsers, connections.RunTools, connections.UpdateActionEngine, connections.WriteAugmentedValues,
	}
}

// neededScope gives the fault of a token that is good for nothing that a
// connection of the type does, nil else.
func neededScope(a connections.APIType, granted []string) error {
	if a == connections.DataPush {
		if may(granted, connections.PushRows) {
			return nil
		}
		return scopeMissing(connections.PushRows)
	}
	for _, op := range intelligenceWork() {
		if may(granted, op) {
			return nil
		}
	}
	return scopeMissing(connections.ReadKnowledgeModels)
}

// may reports whether the granted scopes are enough for an operation.
func may(granted []string, op connections.Operation) bool {
	return slices.ContainsFunc(connections.ScopesFor(op), func(s string) bool { return slices.Contains(granted, s) })
}

func scopeMissing(op connections.Operation) error {
	scopes := connections.ScopesFor(op)
	return fault.New(fault.CelonisScopeMissing, "the token lacks the scope to %s: %q", op, scopes[0]).
		WithHint("%s > Define scopes: select %s; then add it to the OAuth client's allowedScopes and the connection's scopes here",
			clientPlace, strings.Join(scopes, " or "))
}

// scopeHint says what a token may lack where Celonis answers 403.
func (c *Client) scopeHint(a area) string {
	op := connections.ReadKnowledgeModels
	switch a {
	case areaPush, areaSubmit:
		op = connections.PushRows
	case areaPools:
		op = connections.ListPools
	case areaSCIM:
		op = connections.ProvisionUsers
	case areaChat:
		op = connections.AskProcessCopilot
	case areaTeam, areaAdmin, areaTools:
		return permissionPlace("the OAuth client", a)
	}
	return fmt.Sprintf("a token needs scope and permission: add the scope %s, %s > Define scopes; and %s",
		strings.Join(connections.ScopesFor(op), " or "), clientPlace, permissionPlace("the OAuth client", a))
}

// skipModels notes that an Intelligence connection does not ask for knowledge
// models, so that reading them proves nothing.
func (r *testRun) skipModels() bool {
	if r.target.OAuth == nil || may(r.target.OAuth.Scopes, connections.ReadKnowledgeModels) {
		return false
	}
	r.ok(stepPermission, "the connection does not ask for knowledge models; what it asks for is tried when a flow uses it")
	return true
}
