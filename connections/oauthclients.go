package connections

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/validate"
	"github.com/google/uuid"
)

// OAuthClientDeps are what an OAuthClientService needs. Now and NewID may be left out.
type OAuthClientDeps struct {
	Repository OAuthClientRepository
	Sealer     Sealer
	Domains    *DomainPolicy
	Now        func() time.Time
	// NewID makes ids that grow with time; UUIDs of version 7 when nil.
	NewID func() string
}

// OAuthClientService creates and changes OAuth clients. It is safe for
// concurrent use.
type OAuthClientService struct {
	deps      OAuthClientDeps
	validator *validate.Validator
}

// NewOAuthClientService makes an OAuthClientService.
func NewOAuthClientService(d OAuthClientDeps) *OAuthClientService {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return &OAuthClientService{deps: d, validator: validate.New()}
}

// Create stores a new OAuth client. Nothing is sent to Celonis: a connection
// that uses it is what can be tested. Faults: RequestInvalid with every fault
// of d, OAuthClientNameTaken.
func (s *OAuthClientService) Create(ctx context.Context, workspace string, d OAuthClientDraft) (*OAuthClient, error) {
	p, err := s.check(d, nil)
	if err != nil {
		return nil, err
	}
	c := &OAuthClient{ID: s.deps.NewID(), Workspace: workspace, Revision: 1, CreatedAt: s.deps.Now()}
	if _, err := s.apply(c, p); err != nil {
		return nil, err
	}
	return c, s.deps.Repository.CreateOAuthClient(ctx, c)
}

// Get gives an OAuth client; fault OAuthClientNotFound.
func (s *OAuthClientService) Get(ctx context.Context, workspace, id string) (*OAuthClient, error) {
	return s.deps.Repository.OAuthClient(ctx, workspace, id)
}

// List gives a part of a workspace's OAuth clients, in order of creation.
func (s *OAuthClientService) List(ctx context.Context, workspace string, page Page) ([]OAuthClient, error) {
	return s.deps.Repository.OAuthClients(ctx, workspace, page)
}

// Update stores d, the whole new state, where the revision is the given one (0
// = any). A secret that d leaves out is kept, unless the client id changes or a
// valid domain is new: no stored secret can be sent to a new host. Faults:
// RequestInvalid, RequestStale, OAuthClientNotFound, OAuthClientNameTaken.
func (s *OAuthClientService) Update(ctx context.Context, workspace, id string, d OAuthClientDraft, revision int64) (*OAuthClient, error) {
	for try := 1; ; try++ {
		c, err := s.update(ctx, workspace, id, d, revision)
		if fault.Has(err, fault.RequestStale) && revision == 0 && try < updateTries {
			continue
		}
		return c, err
	}
}

func (s *OAuthClientService) update(ctx context.Context, workspace, id string, d OAuthClientDraft, revision int64) (*OAuthClient, error) {
	current, err := s.deps.Repository.OAuthClient(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	if revision != 0 && current.Revision != revision {
		return nil, fault.New(fault.RequestStale, "the OAuth client is at revision %d, not %d", current.Revision, revision).
			WithHint("read the OAuth client again and repeat the change on what it is now")
	}
	p, err := s.check(d, current)
	if err != nil {
		return nil, err
	}
	c := *current
	changed, err := s.apply(&c, p)
	if err != nil {
		return nil, err
	}
	if !changed {
		return current, nil
	}
	c.Revision++
	return &c, s.deps.Repository.UpdateOAuthClient(ctx, &c)
}

// Delete removes an OAuth client where the revision is the given one (0 = any).
// Faults: OAuthClientNotFound, OAuthClientInUse, RequestStale.
func (s *OAuthClientService) Delete(ctx context.Context, workspace, id string, revision int64) error {
	return s.deps.Repository.DeleteOAuthClient(ctx, workspace, id, revision)
}

// UsedBy lists the connections that use an OAuth client; fault OAuthClientNotFound.
func (s *OAuthClientService) UsedBy(ctx context.Context, workspace, id string) ([]ConnectionUse, error) {
	if _, err := s.deps.Repository.OAuthClient(ctx, workspace, id); err != nil {
		return nil, err
	}
	return s.deps.Repository.OAuthClientUsers(ctx, workspace, id)
}

// apply writes a checked draft into c; changed tells whether anything is new.
func (s *OAuthClientService) apply(c *OAuthClient, d OAuthClientDraft) (changed bool, err error) {
	changed = c.Name != d.Name || c.ClientID != d.ClientID || c.AuthMethod != d.AuthMethod ||
		!slices.Equal(c.ValidDomains, d.ValidDomains) || !slices.Equal(c.AllowedScopes, d.AllowedScopes)
	c.Name, c.ClientID, c.AuthMethod, c.ValidDomains, c.AllowedScopes = d.Name, d.ClientID, d.AuthMethod, d.ValidDomains, d.AllowedScopes
	if changed || !d.ClientSecret.IsZero() {
		c.UpdatedAt = s.deps.Now()
	}
	if d.ClientSecret.IsZero() {
		return changed, nil
	}
	envelope, err := s.deps.Sealer.Seal(d.ClientSecret, placeOfClient(c))
	if err != nil {
		return false, fault.Wrap(err, fault.Internal, "the client secret cannot be sealed")
	}
	c.Secret = SealedSecret{Envelope: envelope, UpdatedAt: c.UpdatedAt}
	return true, nil
}

func placeOfClient(c *OAuthClient) crypto.AAD {
	return crypto.AAD{Workspace: c.Workspace, Kind: SealedOAuthClient, ID: c.ID, Field: string(ClientSecret)}
}

// openClientSecret gives the plaintext of a client's secret. It must not
// outlive the caller's call (I4).
func openClientSecret(s Sealer, c *OAuthClient) (crypto.Secret, error) {
	plain, err := s.Open(c.Secret.Envelope, placeOfClient(c))
	switch {
	case errors.Is(err, crypto.ErrUnknownKey):
		return crypto.Secret{}, fault.Wrap(err, fault.KeyringUnknown, "the master key that sealed the secret of OAuth client %q is not in the keyring", c.Name).
			WithHint("put the older master key back behind the primary one, then run \"connector keys rotate\"")
	case err != nil:
		return crypto.Secret{}, fault.Wrap(err, fault.SecretUnsealed, "the secret of OAuth client %q cannot be opened", c.Name).
			WithHint("give the client secret again in the OAuth client's field %s", ClientSecret)
	}
	return plain, nil
}

// check gives a draft with everything read and normalized. current is the
// stored client of an update, nil else.
func (s *OAuthClientService) check(d OAuthClientDraft, current *OAuthClient) (OAuthClientDraft, error) {
	d.Name, d.ClientID = strings.TrimSpace(d.Name), strings.TrimSpace(d.ClientID)
	f := &findings{noun: "OAuth client", fields: s.validator.Struct(d)}
	if !f.has("/name") && strings.ContainsFunc(d.Name, unicode.IsControl) {
		f.add("/name", fault.New(fault.RequestFieldInvalid, "must not hold control characters"))
	}
	if !f.has("/clientId") {
		checkClientID(f, d.ClientID)
	}
	if d.AuthMethod == "" {
		d.AuthMethod = ClientSecretBasic
	}
	d.ValidDomains = s.checkDomains(f, d.ValidDomains)
	d.AllowedScopes = checkClientScopes(f, d)
	if d.ClientSecret.IsZero() {
		if reason := whyClientSecretNeeded(current, d); reason != nil {
			f.add("/clientSecret", reason)
		}
		return d, f.err()
	}
	var err error
	if d.ClientSecret, err = cleanSecret(d.ClientSecret, "client secret"); err != nil {
		f.add("/clientSecret", err)
	}
	return d, f.err()
}

// checkClientID refuses what cannot be an id that Celonis gave.
func checkClientID(f *findings, id string) {
	for _, r := range id {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			f.add("/clientId", fault.New(fault.RequestFieldInvalid, "must not hold a blank or a line break").WithHint("%s", clientHint))
			return
		case r > unicode.MaxASCII:
			f.add("/clientId", fault.New(fault.RequestFieldInvalid, "must not hold %q", r).WithHint("%s", clientHint))
			return
		}
	}
}

const clientHint = "copy the client id anew from Celonis: Admin & Settings > Applications > the OAuth client"

// checkDomains reads the valid domains, each once and in the order given.
func (s *OAuthClientService) checkDomains(f *findings, given []string) []string {
	hosts := []string{}
	for i, text := range given {
		pointer := "/validDomains/" + strconv.Itoa(i)
		if f.has(pointer) {
			continue
		}
		host, err := s.clientHost(text)
		if err != nil {
			f.add(pointer, err)
			continue
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// whyClientSecretNeeded gives the fault of a draft without its secret, nil when the stored one may be kept.
func whyClientSecretNeeded(current *OAuthClient, d OAuthClientDraft) error {
	switch {
	case current == nil:
		return fault.New(fault.RequestFieldMissing, "must be given").WithHint("Celonis shows the client secret once, when the OAuth client is created")
	case current.ClientID != d.ClientID:
		return fault.New(fault.ConnectionSecretRequired, "must be given again, because the client id changes")
	}
	for _, host := range d.ValidDomains {
		if !slices.Contains(current.ValidDomains, host) {
			return fault.New(fault.ConnectionSecretRequired, "must be given again, because the valid domain %q is new", clip(host)).
				WithHint("a stored secret is never sent to a new host")
		}
	}
	return nil
}
