package connections

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// claimFor is how long a process may exchange the tokens of a grant before
// another one may take over: far longer than an exchange can take, so that
// only a process that died loses its claim.
const claimFor = 2 * time.Minute

// StoredGrant is what a user granted to a connection, as it is stored.
type StoredGrant struct {
	Workspace, ConnectionID string
	// Version grows by one with every exchange of the tokens.
	Version  int64
	Envelope string
	// GrantedAt is when the user allowed it.
	GrantedAt time.Time
}

// GrantClaim asks to be the one who exchanges the tokens of a version.
type GrantClaim struct {
	Workspace, ConnectionID string
	Version                 int64
	// By names the process; Now is when it asks and Until when its claim ends.
	By         string
	Now, Until time.Time
}

// GrantRepository keeps what users granted. Every method looks only into the
// workspace named.
type GrantRepository interface {
	// SaveGrant stores a grant in place of the one there is, with the version after it.
	SaveGrant(ctx context.Context, g *StoredGrant) error
	// Grant gives a connection's grant; fault ConnectionUnauthorized when there is none.
	Grant(ctx context.Context, workspace, connectionID string) (*StoredGrant, error)
	// ClaimGrant takes the claim where the version still is the one given and nobody else's claim lasts; it tells whether it did.
	ClaimGrant(ctx context.Context, c GrantClaim) (bool, error)
	// ReplaceGrant stores the tokens of g, with the next version and without a claim, where version and claim are still c's.
	ReplaceGrant(ctx context.Context, c GrantClaim, envelope string) (bool, error)
	// ReleaseGrant gives the claim back.
	ReleaseGrant(ctx context.Context, c GrantClaim) error
	// DeleteGrant removes the grant where version and claim are still c's, and tells whether it did.
	DeleteGrant(ctx context.Context, c GrantClaim) (bool, error)
}

// GrantedTokens are the tokens of a user's grant, in the clear (I4).
type GrantedTokens struct {
	Refresh, Access crypto.Secret
	// EndsAt is when the access token is no longer used; zero when there is none.
	EndsAt time.Time
	Scopes []string
}

// HeldGrant is an opened grant with the claim to exchange it.
type HeldGrant struct {
	GrantedTokens
	Claim GrantClaim
}

// GrantsDeps are what Grants need.
type GrantsDeps struct {
	Repository GrantRepository
	Sealer     Sealer
	// SecretUses puts on record that tokens are opened; nil records nothing.
	SecretUses *audit.Uses
	Now        func() time.Time
	// Process names this process among those that share the database.
	Process string
}

// Grants keeps the tokens that users granted. Of all processes one at a time
// exchanges those of a connection, and what it got is stored before anybody
// uses it: a refresh token that was exchanged once is good for nothing more.
// It is safe for concurrent use.
type Grants struct{ deps GrantsDeps }

// NewGrants makes Grants.
func NewGrants(d GrantsDeps) *Grants { return &Grants{d} }

// sealedTokens is the plaintext of a grant's envelope.
type sealedTokens struct {
	Refresh string    `json:"refresh"`
	Access  string    `json:"access,omitempty"`
	EndsAt  time.Time `json:"endsAt,omitzero"`
	Scopes  []string  `json:"scopes,omitempty"`
}

func placeOfGrant(workspace, connectionID string) crypto.AAD {
	return crypto.AAD{Workspace: workspace, Kind: SealedOAuthGrant, ID: connectionID, Field: string(GrantTokens)}
}

func (g *Grants) seal(workspace, connectionID string, t GrantedTokens) (string, error) {
	text, err := json.Marshal(sealedTokens{t.Refresh.Reveal(), t.Access.Reveal(), t.EndsAt, t.Scopes})
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "the tokens cannot be written")
	}
	envelope, err := g.deps.Sealer.Seal(crypto.NewSecret(string(text)), placeOfGrant(workspace, connectionID))
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "the tokens cannot be sealed")
	}
	return envelope, nil
}

// Read gives the tokens of a connection's grant, not claimed. Faults:
// ConnectionUnauthorized, KeyringUnknown, SecretUnsealed.
func (g *Grants) Read(ctx context.Context, workspace, connectionID string) (HeldGrant, error) {
	stored, err := g.deps.Repository.Grant(ctx, workspace, connectionID)
	if err != nil {
		return HeldGrant{}, err
	}
	if err := g.used(ctx, workspace, connectionID); err != nil {
		return HeldGrant{}, err
	}
	plain, err := g.deps.Sealer.Open(stored.Envelope, placeOfGrant(workspace, connectionID))
	switch {
	case errors.Is(err, crypto.ErrUnknownKey):
		return HeldGrant{}, fault.Wrap(err, fault.KeyringUnknown, "the master key that sealed the connection's tokens is not in the keyring").
			WithHint("put the older master key back behind the primary one, then run \"connector keys rotate\"")
	case err != nil:
		return HeldGrant{}, fault.Wrap(err, fault.SecretUnsealed, "the connection's tokens cannot be opened").WithHint("%s", authorizeHint)
	}
	var t sealedTokens
	if json.Unmarshal([]byte(plain.Reveal()), &t) != nil {
		return HeldGrant{}, fault.New(fault.SecretUnsealed, "the connection's tokens cannot be read").WithHint("%s", authorizeHint)
	}
	return HeldGrant{
		GrantedTokens: GrantedTokens{crypto.NewSecret(t.Refresh), crypto.NewSecret(t.Access), t.EndsAt, t.Scopes},
		Claim:         GrantClaim{Workspace: workspace, ConnectionID: connectionID, Version: stored.Version, By: g.deps.Process},
	}, nil
}

const authorizeHint = "authorize the connection again: POST /v1/connections/{id}/authorize"

// Claim takes the right to exchange the tokens of the version that was read;
// false when another process is at it, or was.
func (g *Grants) Claim(ctx context.Context, h *HeldGrant) (bool, error) {
	h.Claim.Now = g.deps.Now()
	h.Claim.Until = h.Claim.Now.Add(claimFor)
	return g.deps.Repository.ClaimGrant(ctx, h.Claim)
}

// Replace stores the tokens that the exchange gave; false when the grant has
// gone or was replaced meanwhile. An exchange without a new refresh token keeps the old one.
func (g *Grants) Replace(ctx context.Context, h HeldGrant, t GrantedTokens) (bool, error) {
	if t.Refresh.IsZero() {
		t.Refresh = h.Refresh
	}
	envelope, err := g.seal(h.Claim.Workspace, h.Claim.ConnectionID, t)
	if err != nil {
		return false, err
	}
	return g.deps.Repository.ReplaceGrant(ctx, h.Claim, envelope)
}

// Release gives the claim back after an exchange that did not come about.
func (g *Grants) Release(ctx context.Context, h HeldGrant) error {
	return g.deps.Repository.ReleaseGrant(ctx, h.Claim)
}

// Refuse forgets a grant that Celonis no longer accepts; false when it was
// replaced meanwhile.
func (g *Grants) Refuse(ctx context.Context, h HeldGrant) (bool, error) {
	return g.deps.Repository.DeleteGrant(ctx, h.Claim)
}

// save stores what a user has just granted.
func (g *Grants) save(ctx context.Context, workspace, connectionID string, t GrantedTokens) error {
	envelope, err := g.seal(workspace, connectionID, t)
	if err != nil {
		return err
	}
	return g.deps.Repository.SaveGrant(ctx, &StoredGrant{Workspace: workspace, ConnectionID: connectionID, Envelope: envelope, GrantedAt: g.deps.Now()})
}
