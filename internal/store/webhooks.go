package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.WebhookStore = (*Store)(nil)

// The fields that the record of changes names when a webhook's secret or URL is another.
const webhookSecretField, webhookURLField = "webhookSecret", "webhookUrl"

// webhookTables hold what belongs to a flow's webhook.
func webhookTables() []string { return []string{"webhook_tokens", "webhook_secrets"} }

// saveWebhook stores what a write of a flow brings to its webhook, and forgets
// the webhook of a flow that has none any more.
func saveWebhook(ctx context.Context, tx *sql.Tx, was, f *flows.Flow) error {
	if f.Export.Type != flows.ExportWebhook {
		if was == nil || was.Export.Type != flows.ExportWebhook {
			return nil
		}
		for _, table := range webhookTables() {
			if _, err := exec(ctx, tx, q("DELETE FROM "+table+" WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID)); err != nil {
				return err
			}
		}
		return nil
	}
	h := f.Hook
	if h == nil {
		return nil
	}
	if h.TokenHash != "" {
		if err := insertToken(ctx, tx, f, h.TokenHash, f.UpdatedAt); err != nil {
			return err
		}
	}
	switch {
	case h.Secret != nil:
		return saveWebhookSecret(ctx, tx, f, h.Secret)
	case h.DropSecret:
		_, err := exec(ctx, tx, q("DELETE FROM webhook_secrets WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID))
		return err
	}
	return nil
}

func insertToken(ctx context.Context, tx *sql.Tx, f *flows.Flow, hash string, now time.Time) error {
	_, err := exec(ctx, tx, q("INSERT INTO webhook_tokens (token_hash, workspace, flow_id, created_at) VALUES ($1, $2, $3, $4)",
		hash, f.Workspace, f.ID, micros(now)))
	return err
}

func saveWebhookSecret(ctx context.Context, tx *sql.Tx, f *flows.Flow, sealed *connections.SealedSecret) error {
	_, err := exec(ctx, tx, q(`INSERT INTO webhook_secrets (workspace, flow_id, key_id, envelope, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (workspace, flow_id) DO UPDATE SET key_id = excluded.key_id, envelope = excluded.envelope, updated_at = excluded.updated_at`,
		f.Workspace, f.ID, keyOf(sealed.Envelope), sealed.Envelope, micros(sealed.UpdatedAt)))
	return err
}

// webhookFields names what a write changes beside the flow's own members.
func webhookFields(h *flows.HookChange) (fields []string) {
	if h == nil {
		return nil
	}
	if h.Secret != nil {
		fields = append(fields, webhookSecretField)
	}
	if h.TokenHash != "" {
		fields = append(fields, webhookURLField)
	}
	return fields
}

// WebhookByToken implements flows.WebhookStore.
func (s *Store) WebhookByToken(ctx context.Context, hash string, now time.Time) (_ *flows.Webhook, err error) {
	defer s.explain(&err, "WebhookByToken")
	scan := func(r row) (flows.Webhook, error) {
		var f flows.Flow
		var envelope string
		err := r.Scan(&f.ID, &f.Workspace, &f.Revision, &f.Enabled, document{&f.Spec}, moment{&f.CreatedAt}, moment{&f.UpdatedAt}, &f.Paused, &envelope)
		return flows.Webhook{Flow: &f, Envelope: envelope}, err
	}
	none := fault.New(fault.WebhookNotFound, "there is no such webhook")
	h, err := one(ctx, s.read, scan, q(`SELECT f.id, f.workspace, f.revision, f.enabled, f.spec, f.created_at, f.updated_at, f.paused,
		COALESCE(s.envelope, '') FROM webhook_tokens t JOIN flows f ON f.workspace = t.workspace AND f.id = t.flow_id
		LEFT JOIN webhook_secrets s ON s.workspace = t.workspace AND s.flow_id = t.flow_id
		WHERE t.token_hash = $1 AND (t.expires_at = 0 OR t.expires_at > $2)`, hash, micros(now)), none)
	if err != nil {
		return nil, err
	}
	if h.Flow.Export.Type != flows.ExportWebhook || h.Flow.Export.Webhook == nil {
		return nil, none
	}
	return h, nil
}

// WebhookState implements flows.WebhookStore; a flow without a webhook has no URLs.
func (s *Store) WebhookState(ctx context.Context, workspace, flowID string, now time.Time) (_ *flows.WebhookState, err error) {
	defer s.explain(&err, "WebhookState")
	scan := func(r row) (u flows.WebhookURL, err error) {
		return u, r.Scan(moment{&u.CreatedAt}, moment{&u.ExpiresAt})
	}
	var w flows.WebhookState
	w.URLs, err = all(ctx, s.read, scan, q(`SELECT created_at, expires_at FROM webhook_tokens
		WHERE workspace = $1 AND flow_id = $2 AND (expires_at = 0 OR expires_at > $3)
		ORDER BY CASE WHEN expires_at = 0 THEN 0 ELSE 1 END, created_at DESC`, workspace, flowID, micros(now)))
	if err != nil {
		return nil, err
	}
	at := func(r row) (t time.Time, err error) { return t, r.Scan(moment{&t}) }
	w.SecretAt, _, err = first(ctx, s.read, at, q("SELECT updated_at FROM webhook_secrets WHERE workspace = $1 AND flow_id = $2", workspace, flowID))
	return &w, err
}

// RotateWebhook implements flows.WebhookStore. At most one older token goes on.
func (s *Store) RotateWebhook(ctx context.Context, workspace, flowID string, r flows.Rotation) (err error) {
	defer s.explain(&err, "RotateWebhook")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		// The lock makes two rotations of a flow take turns.
		if _, err := exists(ctx, tx, q("SELECT 1 FROM flows WHERE workspace = $1 AND id = $2"+s.dialect.lockRow, workspace, flowID)); err != nil {
			return err
		}
		f, err := s.currentFlow(ctx, tx, workspace, flowID)
		if err != nil {
			return err
		}
		if f.Export.Type != flows.ExportWebhook {
			return fault.New(fault.FlowWebhookExport, "flow %q has the export %q", f.Name, f.Export.Type).
				WithHint("only a flow whose export has the type %q has a URL", flows.ExportWebhook)
		}
		ending := "DELETE FROM webhook_tokens WHERE workspace = $1 AND flow_id = $2"
		if r.OldUntil.After(r.Now) {
			ending += " AND expires_at > 0"
		}
		if _, err := exec(ctx, tx, q(ending, workspace, flowID)); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, q("UPDATE webhook_tokens SET expires_at = $3 WHERE workspace = $1 AND flow_id = $2",
			workspace, flowID, micros(r.OldUntil))); err != nil {
			return err
		}
		if err := insertToken(ctx, tx, f, r.TokenHash, r.Now); err != nil {
			return err
		}
		e := flowEvent(audit.Updated, f)
		e.Fields = []string{webhookURLField}
		return s.note(ctx, tx, e)
	})
}
