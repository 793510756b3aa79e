package app

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/store"
)

// auditWorkspace and auditPurpose are where the key stands from which every
// workspace's key for fingerprints follows. It outlives the master keys, so
// that a rotation changes no fingerprint. No workspace can have this name.
const (
	auditWorkspace = "*"
	auditPurpose   = "audit"
)

// unreadable stands in for a secret that does not open.
const unreadable = "unreadable"

// fingerprints makes what tells one value of a secret from another in the
// audit log: an HMAC with a key of the workspace's own, over the place and the
// value, from which the value cannot be guessed without the key.
func fingerprints(ctx context.Context, keys *crypto.Keyring, db *store.Store) (store.Fingerprint, error) {
	bound := crypto.AAD{Workspace: auditWorkspace, Kind: store.WorkspaceKeyKind, ID: auditPurpose, Field: store.WorkspaceKeyField}
	envelope, ok, err := db.WorkspaceKey(ctx, auditWorkspace, auditPurpose)
	if err == nil && !ok {
		if envelope, err = keys.Seal(crypto.NewSecret(rand.Text()+rand.Text()), bound); err == nil {
			envelope, err = db.InitWorkspaceKey(ctx, auditWorkspace, auditPurpose, envelope)
		}
	}
	if err != nil {
		return nil, err
	}
	root, err := keys.Open(envelope, bound)
	if err != nil {
		return nil, err
	}
	return func(workspace, kind, id, field, envelope string) string {
		plain, err := keys.Open(envelope, crypto.AAD{Workspace: workspace, Kind: kind, ID: id, Field: field})
		if err != nil {
			return unreadable
		}
		own := mac([]byte(root.Reveal()), workspace)
		return hex.EncodeToString(mac(own, kind, id, field, plain.Reveal()))
	}, nil
}

// mac is an HMAC-SHA-256 over parts, none of which can run into the next.
func mac(key []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		m.Write(sum[:])
	}
	return m.Sum(nil)
}

// AuditLog is the audit log of every workspace. Close it.
type AuditLog interface {
	audit.Log
	// AuditWorkspaces lists the workspaces that have a record, in order.
	AuditWorkspaces(ctx context.Context) ([]string, error)
	// AuditEvents gives at most the query's limit, the newest first.
	AuditEvents(ctx context.Context, q audit.Query) ([]audit.Event, error)
	Close() error
}

// OpenAuditLog opens the database to read the audit log, beside any service
// that runs on it; it needs no master key.
func OpenAuditLog(ctx context.Context, cfg config.Config) (AuditLog, error) {
	return store.Open(ctx, store.Config{URL: cfg.DatabaseURL.Reveal(), Path: cfg.SQLitePath()})
}
