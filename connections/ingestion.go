package connections

import (
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

const (
	// AccessKeyID and SecretAccessKey are the two halves of the access key that is made in the Data Ingestion app of a data
	// pool. They are optional; imports of type dataIngestion need them.
	AccessKeyID     SecretField = "accessKeyId"
	SecretAccessKey SecretField = "secretAccessKey"
)

// IngestionKey is the opened access key of a connection. It lives inside one call (I4).
type IngestionKey struct {
	AccessKeyID, SecretAccessKey crypto.Secret
}

func isIngestion(f SecretField) bool { return f == AccessKeyID || f == SecretAccessKey }

// checkIngestion: the halves of an access key come together, for the domain
// that they were given for; a connection may have none.
func checkIngestion(f *findings, d Draft, current *Connection, p *plan) {
	given := map[SecretField]crypto.Secret{AccessKeyID: d.AccessKeyID, SecretAccessKey: d.SecretAccessKey}
	stored := current != nil && current.Secrets[AccessKeyID].Envelope != "" && current.Secrets[SecretAccessKey].Envelope != ""
	some := !d.AccessKeyID.IsZero() || !d.SecretAccessKey.IsZero()
	if d.APIType != DataPush {
		for field, secret := range given {
			if !secret.IsZero() {
				f.add("/"+string(field), fault.New(fault.RequestFieldInvalid, "must not be given for apiType %q", d.APIType))
			}
		}
		return
	}
	moved := stored && p.domain.Host != "" && current.Domain != p.domain.Host
	p.ingestionKept = stored && !moved
	p.ingestion = map[SecretField]crypto.Secret{}
	for _, field := range []SecretField{AccessKeyID, SecretAccessKey} {
		pointer := "/" + string(field)
		switch secret := given[field]; {
		case f.has(pointer):
		case !secret.IsZero():
			clean, err := cleanSecret(secret, "key")
			if err != nil {
				f.add(pointer, err)
			}
			p.ingestion[field] = clean
		case moved:
			f.add(pointer, fault.New(fault.ConnectionSecretRequired, "must be given again, because the domain changes").
				WithHint("a stored key is never sent to a new host"))
		case some && !stored:
			f.add(pointer, fault.New(fault.RequestFieldMissing, "must be given beside the other half of the access key"))
		}
	}
}

// applyIngestion seals what is new of an access key.
func applyIngestion(s Sealer, c *Connection, p plan) (changed bool, err error) {
	for _, field := range []SecretField{AccessKeyID, SecretAccessKey} {
		secret := p.ingestion[field]
		if secret.IsZero() {
			continue
		}
		if err := sealSecret(s, c, field, p.kept(field, secret), c.UpdatedAt); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}

// openIngestion gives the halves of the access key, zero when there is none.
func openIngestion(s Sealer, c *Connection) (id, secret crypto.Secret, err error) {
	if c.Secrets[AccessKeyID].Envelope == "" {
		return crypto.Secret{}, crypto.Secret{}, nil
	}
	if id, err = openField(s, c, AccessKeyID); err != nil {
		return crypto.Secret{}, crypto.Secret{}, err
	}
	secret, err = openField(s, c, SecretAccessKey)
	return id, secret, err
}

func ingestionHints() []form.Hint {
	when := []form.When{form.Is("apiType", DataPush, S3)}
	return []form.Hint{
		{
			Path: "/" + string(AccessKeyID), Label: "Access key id", Secret: true, Refine: secretSchema(), ShowWhen: when,
			Help: "Of S3, who reads the bucket; left out where anybody may. Of Data Push, only for imports of type dataIngestion. It is stored encrypted and never shown again.",
			HowTo: []string{
				"For S3, make an access key for a user who may list and read the bucket.",
				"For Data Push, open the data pool in Celonis and its Data Ingestion app, make an access key there and copy both halves at once: Celonis shows them this one time.",
			},
		},
		{
			Path: "/" + string(SecretAccessKey), Label: "Secret access key", Secret: true, Refine: secretSchema(), ShowWhen: when,
			Help: "The other half of the access key.",
		},
	}
}
