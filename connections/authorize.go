package connections

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// authorizeWithin is how long a user may take to allow a connection.
const authorizeWithin = 10 * time.Minute

// CallbackPath is where the user's browser comes back to.
const CallbackPath = "/oauth/callback"

// StoredAuthorization is an authorization under way, as it is stored.
type StoredAuthorization struct {
	// StateHash is the hash of what the browser carries.
	StateHash               string
	Workspace, ConnectionID string
	// Revision is the connection's: what is allowed belongs to this state of it.
	Revision int64
	// Envelope holds the code verifier.
	Envelope  string
	ExpiresAt time.Time
}

// AuthorizationRepository keeps authorizations under way.
type AuthorizationRepository interface {
	SaveAuthorization(ctx context.Context, a *StoredAuthorization) error
	// TakeAuthorization gives an authorization and removes it, so that its state is good once; fault OAuthState when there is none.
	TakeAuthorization(ctx context.Context, stateHash string) (*StoredAuthorization, error)
}

// AuthorizationRequest is what is asked of the user.
type AuthorizationRequest struct {
	State, Verifier crypto.Secret
	RedirectURI     string
}

// Redemption is what a code is exchanged with.
type Redemption struct {
	Code, Verifier crypto.Secret
	RedirectURI    string
}

// CodeExchanger leads users to Celonis and exchanges the codes that they bring back.
type CodeExchanger interface {
	// AuthorizationURL gives the address at which the user allows the connection.
	AuthorizationURL(ctx context.Context, t Target, r AuthorizationRequest) (string, error)
	// Redeem gives the tokens for a code. Faults are those of a token request.
	Redeem(ctx context.Context, t Target, r Redemption) (GrantedTokens, error)
}

// AuthorizerDeps are what an Authorizer needs.
type AuthorizerDeps struct {
	Connections *Service
	Grants      *Grants
	Repository  AuthorizationRepository
	Exchanger   CodeExchanger
	// PublicURL is the address under which browsers reach this service, "" when it is not known.
	PublicURL string
}

// Authorizer lets users allow connections. It is safe for concurrent use.
type Authorizer struct{ deps AuthorizerDeps }

// NewAuthorizer makes an Authorizer.
func NewAuthorizer(d AuthorizerDeps) *Authorizer { return &Authorizer{d} }

// Authorization is where a user goes to allow a connection.
type Authorization struct {
	URL       crypto.Secret
	ExpiresAt time.Time
}

// Start begins an authorization. Its address is for one user, once: what the
// browser carries in it is stored as a hash only. Faults: ConnectionNotFound,
// OAuthGrant for a connection that no user authorizes, OAuthPublicURL,
// and those of Target.
func (a *Authorizer) Start(ctx context.Context, workspace, id string) (Authorization, error) {
	c, err := a.deps.Connections.Get(ctx, workspace, id)
	if err != nil {
		return Authorization{}, err
	}
	if err := authorizable(c); err != nil {
		return Authorization{}, err
	}
	redirect, err := a.redirectURI()
	if err != nil {
		return Authorization{}, err
	}
	target, err := a.deps.Connections.Target(audit.For(ctx, audit.ForAuthorize), workspace, id)
	if err != nil {
		return Authorization{}, err
	}
	state, verifier, err := newState()
	if err != nil {
		return Authorization{}, err
	}
	stored := &StoredAuthorization{
		StateHash: crypto.HashMachineSecret(state), Workspace: workspace, ConnectionID: id, Revision: c.Revision,
		ExpiresAt: a.deps.Connections.deps.Now().Add(authorizeWithin),
	}
	address, err := a.deps.Exchanger.AuthorizationURL(ctx, target, AuthorizationRequest{state, verifier, redirect})
	if err != nil {
		return Authorization{}, err
	}
	if stored.Envelope, err = a.deps.Connections.deps.Sealer.Seal(verifier, placeOfState(stored)); err != nil {
		return Authorization{}, fault.Wrap(err, fault.Internal, "the authorization cannot be sealed")
	}
	return Authorization{crypto.NewSecret(address), stored.ExpiresAt}, a.deps.Repository.SaveAuthorization(ctx, stored)
}

func authorizable(c *Connection) error {
	if c.AuthType == OAuth2 && c.Grant == AuthorizationCode {
		return nil
	}
	return fault.New(fault.OAuthGrant, "the connection %q logs in by itself: no user authorizes it", c.Name).
		WithHint("a user authorizes connections with the authType %q and the grant %q", OAuth2, AuthorizationCode)
}

// redirectURI is the address that must be registered with the OAuth client in Celonis.
func (a *Authorizer) redirectURI() (string, error) {
	const hint = "set CONNECTOR_PUBLIC_URL to the address under which browsers reach this service, for example https://connector.example.com, " +
		"and register that address with " + CallbackPath + " as a redirect address of the OAuth client in Celonis"
	u, err := url.Parse(a.deps.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
		return "", fault.New(fault.OAuthPublicURL, "the service does not know the address to which a browser comes back").WithHint("%s", hint)
	}
	return strings.TrimSuffix(a.deps.PublicURL, "/") + CallbackPath, nil
}

// newState draws what the browser carries and the verifier of its code (PKCE).
func newState() (state, verifier crypto.Secret, err error) {
	if state, err = crypto.MachineSecret("st_"); err == nil {
		verifier, err = crypto.MachineSecret("")
	}
	if err != nil {
		return state, verifier, fault.Wrap(err, fault.Internal, "the system gives no random bytes")
	}
	return state, verifier, nil
}

func placeOfState(a *StoredAuthorization) crypto.AAD {
	return crypto.AAD{Workspace: a.Workspace, Kind: SealedOAuthState, ID: a.StateHash, Field: string(CodeVerifier)}
}

// Return is what a browser brings back from Celonis.
type Return struct {
	State, Code crypto.Secret
	// Error and Description say why there is no code.
	Error, Description string
}

// Finish ends an authorization with what the browser brought back: the state
// proves that it belongs to one of ours, and is good once. The tokens are
// stored, and the connection is tested with them. Faults: OAuthState,
// CelonisOAuthGrant when the user or Celonis refused, and those of a token request.
func (a *Authorizer) Finish(ctx context.Context, r Return) (*Connection, error) {
	stored, c, err := a.take(ctx, r.State)
	if err != nil {
		return nil, err
	}
	if r.Error != "" || r.Code.IsZero() {
		return nil, fault.New(fault.CelonisOAuthGrant, "celonis did not allow the connection %q: %s", c.Name, reasonOf(r)).
			WithHint("%s", authorizeHint)
	}
	verifier, err := a.deps.Connections.deps.Sealer.Open(stored.Envelope, placeOfState(stored))
	if err != nil {
		return nil, fault.Wrap(err, fault.SecretUnsealed, "the authorization cannot be opened").WithHint("%s", authorizeHint)
	}
	redirect, err := a.redirectURI()
	if err != nil {
		return nil, err
	}
	target, err := a.deps.Connections.Target(audit.For(ctx, audit.ForAuthorize), c.Workspace, c.ID)
	if err != nil {
		return nil, err
	}
	tokens, err := a.deps.Exchanger.Redeem(ctx, target, Redemption{r.Code, verifier, redirect})
	if err != nil {
		return nil, err
	}
	// The code is spent: what it gave is kept although the browser may have gone.
	ctx = context.WithoutCancel(ctx)
	if err := a.deps.Grants.save(ctx, c.Workspace, c.ID, tokens); err != nil {
		return nil, err
	}
	a.deps.Connections.testAfterWrite(ctx, c)
	return c, nil
}

// take finds the authorization of a state, and its connection as it was then.
func (a *Authorizer) take(ctx context.Context, state crypto.Secret) (*StoredAuthorization, *Connection, error) {
	stored, err := a.deps.Repository.TakeAuthorization(ctx, crypto.HashMachineSecret(state))
	if err != nil {
		return nil, nil, err
	}
	if !a.deps.Connections.deps.Now().Before(stored.ExpiresAt) {
		return nil, nil, fault.New(fault.OAuthState, "the authorization took longer than %s", authorizeWithin).WithHint("%s", authorizeHint)
	}
	c, err := a.deps.Connections.Get(ctx, stored.Workspace, stored.ConnectionID)
	if err != nil {
		return nil, nil, err
	}
	if c.Revision != stored.Revision || authorizable(c) != nil {
		return nil, nil, fault.New(fault.OAuthState, "the connection has changed since the authorization began").WithHint("%s", authorizeHint)
	}
	return stored, c, nil
}

func reasonOf(r Return) string {
	reason := r.Error
	if reason == "" {
		reason = "there is no code"
	}
	if r.Description != "" {
		reason += ", " + r.Description
	}
	return clip(reason)
}
