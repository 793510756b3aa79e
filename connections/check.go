package connections

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// plan is a draft that was found good, with everything read and normalised.
type plan struct {
	name     string
	apiType  APIType
	domain   Domain
	authType AuthType
	poolID   string
	field    SecretField
	// secret is zero when the stored one is kept.
	secret crypto.Secret
	// ingestion are the new halves of the access key; ingestionKept keeps the stored ones.
	ingestion     map[SecretField]crypto.Secret
	ingestionKept bool
	// client, scopes and grant are those of OAuth2.
	client *OAuthClient
	scopes []string
	grant  Grant
	http   *HTTPSettings
	// maxRuns is every connection's.
	maxRuns int
	// outside, secrets and keep are those of an outside connection: its members, its new secrets and the stored ones that stay.
	outside *Outside
	secrets map[SecretField]crypto.Secret
	keep    map[SecretField]bool
	// refs are the references that secrets were given by.
	refs map[SecretField]string
}

// findings gathers every fault of a draft, so that they are told at once.
type findings struct {
	// noun is what the draft is of.
	noun   string
	fields []fault.Field
	hints  []string
}

func (f *findings) add(pointer string, err error) {
	e := fault.From(err)
	f.fields = append(f.fields, fault.Field{Pointer: pointer, Code: e.Code, Detail: e.Message})
	if e.Hint != "" && !slices.Contains(f.hints, e.Hint) {
		f.hints = append(f.hints, e.Hint)
	}
}

// addEach adds the fields of a fault, below the pointer.
func (f *findings) addEach(pointer string, err error) {
	if err == nil {
		return
	}
	e := fault.From(err)
	for _, field := range e.Fields {
		at := *e
		at.Message, at.Code = field.Detail, field.Code
		f.add(pointer+field.Pointer, &at)
	}
}

func (f *findings) has(pointer string) bool {
	return slices.ContainsFunc(f.fields, func(x fault.Field) bool { return x.Pointer == pointer })
}

func (f *findings) err() error {
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.RequestInvalid, "the %s is not valid", f.noun).WithFields(f.fields...)
	if len(f.hints) > 0 {
		e = e.WithHint("%s", strings.Join(f.hints, "; "))
	}
	return e
}

// check reads a draft. current is the stored connection of an update, nil
// else. Faults: RequestInvalid, and those of the repository.
func (s *Service) check(ctx context.Context, workspace string, d Draft, current *Connection) (plan, error) {
	d.Name, d.Domain, d.PoolID = strings.TrimSpace(d.Name), strings.TrimSpace(d.Domain), strings.TrimSpace(d.PoolID)
	d = withoutLeftovers(d, current)
	d = withoutOutsideLeftovers(d, current)
	f := &findings{noun: "connection", fields: outsideFlat(s.validator.Struct(d))}
	p := plan{name: d.Name, apiType: d.APIType, authType: d.AuthType, maxRuns: d.MaxRuns}
	checkKind(f, d, current)
	d = s.resolve(f, d, &p)
	if !f.has("/name") && strings.ContainsFunc(d.Name, unicode.IsControl) {
		f.add("/name", fault.New(fault.RequestFieldInvalid, "must not hold control characters"))
	}
	if d.APIType.IsOutside() {
		if err := s.checkOutside(ctx, f, oauthDraft{workspace, d}, current, &p); err != nil {
			return plan{}, err
		}
		return p, f.err()
	}
	refuseStrangers(f, d, celonisMembers())
	checkCelonis(f, d)
	if !f.has("/domain") {
		var err error
		if p.domain, err = s.deps.Domains.Parse(d.Domain); err != nil {
			f.add("/domain", err)
		}
	}
	p.http = checkHTTP(f, d.HTTP)
	checkPool(f, d, &p)
	checkSecrets(f, d, current, &p)
	checkIngestion(f, d, current, &p)
	if err := s.checkOAuth(ctx, f, oauthDraft{workspace, d}, &p); err != nil {
		return plan{}, err
	}
	return p, f.err()
}

// checkPool: a dataPush connection needs a pool, of its own domain; an intelligence one has none.
func checkPool(f *findings, d Draft, p *plan) {
	switch {
	case f.has("/poolId") || f.has("/apiType"):
	case d.APIType != DataPush:
		if d.PoolID != "" {
			f.add("/poolId", fault.New(fault.RequestFieldInvalid, "must not be given for apiType %q", d.APIType))
		}
	case d.PoolID == "" && p.domain.PoolID == "":
		if _, err := ParsePoolID(d.Domain); err != nil {
			f.add("/poolId", fault.New(fault.RequestFieldMissing, "must be given for apiType %q", d.APIType).WithHint("%s", poolHint))
		}
	case d.PoolID == "":
		p.poolID = p.domain.PoolID
	default:
		checkGivenPool(f, d, p)
	}
}

func checkGivenPool(f *findings, d Draft, p *plan) {
	ref, err := ParsePoolID(d.PoolID)
	switch {
	case err != nil:
		f.add("/poolId", err)
	case ref.Host != "" && p.domain.Host != "" && ref.Host != p.domain.Host:
		f.add("/poolId", fault.New(fault.ConnectionPoolID, "the pool's address leads to %q, not to the connection's domain %q", clip(ref.Host), p.domain.Host))
	case p.domain.PoolID != "" && p.domain.PoolID != ref.ID:
		f.add("/poolId", fault.New(fault.ConnectionPoolID, "is %q, but the address given as the domain leads to the pool %q", ref.ID, p.domain.PoolID))
	}
	p.poolID = ref.ID
}

// checkSecrets: the auth type's own key is needed and the other one has no
// place. An update may leave the key out, but not when the domain or the auth
// type changes: no stored key may go to a new host.
func checkSecrets(f *findings, d Draft, current *Connection, p *plan) {
	if f.has("/authType") {
		return
	}
	field, needed := SecretFor(d.AuthType)
	p.field = field
	given := map[SecretField]crypto.Secret{AppKey: d.AppKey, APIKey: d.APIKey}
	for _, other := range []SecretField{AppKey, APIKey} {
		if other != field && !given[other].IsZero() {
			f.add("/"+string(other), fault.New(fault.RequestFieldInvalid, "must not be given for authType %q, which takes %s", d.AuthType, takes(d.AuthType)))
		}
	}
	if !needed {
		return
	}
	pointer := "/" + string(field)
	if f.has(pointer) {
		return
	}
	if given[field].IsZero() {
		if reason := whySecretNeeded(current, p); reason != nil {
			f.add(pointer, reason)
		}
		return
	}
	var err error
	if p.secret, err = cleanSecret(given[field], "key"); err != nil {
		f.add(pointer, err)
	}
}

// whySecretNeeded gives the fault of a draft without its key, nil when the stored one may be kept.
func whySecretNeeded(current *Connection, p *plan) error {
	switch {
	case current == nil:
		return fault.New(fault.RequestFieldMissing, "must be given for authType %q", p.authType)
	case current.lacksKey():
		return nil // it came without one, and stays offline until it gets one
	case current.AuthType != p.authType:
		return fault.New(fault.ConnectionSecretRequired, "must be given, because the auth type changes to %q", p.authType)
	case current.Domain != p.domain.Host:
		return fault.New(fault.ConnectionSecretRequired, "must be given again, because the domain changes").
			WithHint("a stored key is never sent to a new host")
	}
	return nil
}

// checkCelonis: a connection to Celonis has a domain, and logs in as Celonis knows it.
func checkCelonis(f *findings, d Draft) {
	if d.Domain == "" && !f.has("/domain") {
		f.add("/domain", fault.New(fault.RequestFieldMissing, "must be given"))
	}
	switch d.AuthType {
	case Custom, Token, OAuth2:
	case "":
		f.add("/authType", fault.New(fault.RequestFieldMissing, "must be given"))
	default:
		if !f.has("/authType") {
			f.add("/authType", fault.New(fault.RequestFieldInvalid, "must be one of %s, %s, %s", Custom, Token, OAuth2))
		}
	}
}
