package app

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/worker"
)

// protectionPurpose is what the workspace's key for protected columns is for.
const protectionPurpose = "protection"

// protectors give each workspace a key of its own, made once: hidden values of
// different days still join, whatever becomes of the master keys.
type protectors struct {
	keys  *crypto.Keyring
	store *store.Store
}

var (
	_ endpoint.Protectors = protectors{}
	_ worker.Shaper       = (*endpoint.Builder)(nil)
)

// Protector implements endpoint.Protectors.
func (p protectors) Protector(ctx context.Context, workspace string) (mapping.Protector, error) {
	bound := crypto.AAD{Workspace: workspace, Kind: store.WorkspaceKeyKind, ID: protectionPurpose, Field: store.WorkspaceKeyField}
	envelope, ok, err := p.store.WorkspaceKey(ctx, workspace, protectionPurpose)
	if err == nil && !ok {
		envelope, err = p.first(ctx, bound)
	}
	if err != nil {
		return nil, err
	}
	key, err := p.keys.Open(envelope, bound)
	if err != nil {
		return nil, fault.Wrap(err, fault.SecretUnsealed, "the workspace's key for protected columns cannot be opened").
			WithHint("put back the master key that sealed it, and the row as it was: another key would hide the same values in another way")
	}
	return protector{key}, nil
}

func (p protectors) first(ctx context.Context, bound crypto.AAD) (string, error) {
	envelope, err := p.keys.Seal(crypto.NewSecret(rand.Text()+rand.Text()), bound)
	if err != nil {
		return "", err
	}
	return p.store.InitWorkspaceKey(ctx, bound.Workspace, bound.ID, envelope)
}

// protector hides values by HMAC-SHA-256.
type protector struct{ key crypto.Secret }

// MAC implements mapping.Protector.
func (p protector) MAC() hash.Hash { return hmac.New(sha256.New, []byte(p.key.Reveal())) }
