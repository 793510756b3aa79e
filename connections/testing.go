package connections

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
)

// Test makes a test call with a stored connection and stores what it found,
// unless the connection was changed meanwhile. A failing test is a result;
// faults are ConnectionNotFound, ConnectionTestLimited and those of Target.
func (s *Service) Test(ctx context.Context, workspace, id string) (TestResult, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return TestResult{}, err
	}
	if err := s.takeTest(workspace+"/"+id, s.deps.TestLimits.Saved); err != nil {
		return TestResult{}, err
	}
	if err := s.test(ctx, c, Caller); err != nil {
		return TestResult{}, err
	}
	return *c.LastTest, nil
}

// TestDraft makes a test call with a connection that is not stored, and
// stores nothing. Faults: RequestInvalid with every fault of d, ConnectionTestLimited.
func (s *Service) TestDraft(ctx context.Context, workspace string, d Draft) (TestResult, error) {
	p, err := s.check(ctx, workspace, d, nil)
	if err != nil {
		return TestResult{}, err
	}
	if err := s.takeTest(workspace, s.deps.TestLimits.Unsaved); err != nil {
		return TestResult{}, err
	}
	if p.outside != nil {
		return s.testOutsideDraft(ctx, workspace, p)
	}
	ctx = asTest(ctx)
	t := Target{BaseURL: p.domain.BaseURL, APIType: p.apiType, AuthType: p.authType, Key: p.secret, PoolID: p.poolID, HTTP: p.http}
	if p.client != nil {
		if t.OAuth, err = s.oauthTarget(ctx, p.client, oauthUse{Scopes: p.scopes, Grant: p.grant}); err != nil {
			return TestResult{}, err
		}
	}
	if err := s.deps.Repository.NoteDraftTest(ctx, workspace, p.name); err != nil {
		return TestResult{}, err
	}
	return s.deps.Tester.Test(ctx, t), nil
}

// Target opens what a client needs to reach Celonis as the connection. It
// holds the plaintext key: keep it inside one call (I4). Faults:
// ConnectionNotFound, ConnectionDomain when the operator no longer allows the
// host, KeyringUnknown and SecretUnsealed when the key cannot be opened,
// OAuthClientDomain and OAuthScopeNotAllowed when the OAuth client no longer
// allows the domain or a scope.
func (s *Service) Target(ctx context.Context, workspace, id string) (Target, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return Target{}, err
	}
	return s.targetOf(ctx, c)
}

func (s *Service) targetOf(ctx context.Context, c *Connection) (Target, error) {
	if c.APIType.IsOutside() {
		return Target{}, fault.New(fault.ConnectionAPIType, "the connection %q is of apiType %q and does not lead to Celonis", c.Name, c.APIType)
	}
	domain, err := s.deps.Domains.Parse(c.Domain)
	if err != nil {
		return Target{}, err
	}
	if err := s.used(ctx, c); err != nil {
		return Target{}, err
	}
	key, err := openSecret(s.deps.Sealer, c)
	if err != nil {
		return Target{}, err
	}
	t := Target{ID: c.ID, BaseURL: domain.BaseURL, APIType: c.APIType, AuthType: c.AuthType, Key: key, PoolID: c.PoolID, HTTP: c.HTTP}
	id, secret, err := openIngestion(s.deps.Sealer, c)
	if err != nil {
		return Target{}, err
	}
	if !id.IsZero() {
		t.Ingestion = &IngestionKey{AccessKeyID: id, SecretAccessKey: secret}
	}
	if c.AuthType == OAuth2 {
		t.OAuth, err = s.storedOAuth(ctx, c)
	}
	return t, err
}

// call makes the test call of a stored connection.
func (s *Service) call(ctx context.Context, c *Connection) (TestResult, error) {
	ctx = asTest(ctx)
	if c.APIType.IsOutside() {
		target, err := s.outsideTargetOf(ctx, c)
		if err != nil {
			return TestResult{}, err
		}
		return s.deps.Outside.TestOutside(ctx, target), nil
	}
	target, err := s.targetOf(ctx, c)
	if err != nil {
		return TestResult{}, err
	}
	return s.deps.Tester.Test(ctx, target), nil
}

// test puts a result and the standing that follows from it into c and stores
// both. A test that the caller's own going away cut short says nothing of the
// connection.
func (s *Service) test(ctx context.Context, c *Connection, by Observer) error {
	result, err := s.call(ctx, c)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the test was cut short")
	}
	s.noteScopes(ctx, c, &result)
	tested := *c
	tested.LastTest = &result
	tested.settle(result.finding(), by, s, s.deps.Now())
	resumed, err := s.deps.Repository.SaveConnectionTest(ctx, &tested)
	if err != nil && !fault.Has(err, fault.RequestStale) {
		return err
	}
	c.LastTest, c.Status, c.Recovery = tested.LastTest, tested.Status, tested.Recovery
	s.resume(ctx, resumed)
	return nil
}

// testAfterWrite tests what was just stored. The write stands whatever
// happens here: a test that could not be made or stored leaves c untested.
func (s *Service) testAfterWrite(ctx context.Context, c *Connection) {
	if err := s.test(ctx, c, Caller); err != nil {
		s.deps.Logger.WarnContext(ctx, "test after the write of a connection", "connection", c.ID, "error", err)
	}
}
