package connections

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
)

// Test makes a test call with a stored connection and stores what it found,
// unless the connection was changed meanwhile. A failing test is a result;
// faults are ConnectionNotFound and those of Target.
func (s *Service) Test(ctx context.Context, workspace, id string) (TestResult, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return TestResult{}, err
	}
	if err := s.test(ctx, c); err != nil {
		return TestResult{}, err
	}
	return *c.LastTest, nil
}

// TestDraft makes a test call with a connection that is not stored, and
// stores nothing. Faults: RequestInvalid with every fault of d.
func (s *Service) TestDraft(ctx context.Context, _ string, d Draft) (TestResult, error) {
	p, err := s.check(d, nil)
	if err != nil {
		return TestResult{}, err
	}
	return s.deps.Tester.Test(ctx, Target{
		BaseURL: p.domain.BaseURL, APIType: p.apiType, AuthType: p.authType, Key: p.secret, PoolID: p.poolID,
	}), nil
}

// Target opens what a client needs to reach Celonis as the connection. It
// holds the plaintext key: keep it inside one call (I4). Faults:
// ConnectionNotFound, ConnectionDomain when the operator no longer allows the
// host, KeyringUnknown and SecretUnsealed when the key cannot be opened.
func (s *Service) Target(ctx context.Context, workspace, id string) (Target, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return Target{}, err
	}
	return s.targetOf(c)
}

func (s *Service) targetOf(c *Connection) (Target, error) {
	domain, err := s.deps.Domains.Parse(c.Domain)
	if err != nil {
		return Target{}, err
	}
	key, err := openSecret(s.deps.Sealer, c)
	if err != nil {
		return Target{}, err
	}
	return Target{BaseURL: domain.BaseURL, APIType: c.APIType, AuthType: c.AuthType, Key: key, PoolID: c.PoolID}, nil
}

// test puts a result and a status into c and stores both. A test that the
// caller's own going away cut short says nothing of the connection.
func (s *Service) test(ctx context.Context, c *Connection) error {
	target, err := s.targetOf(c)
	if err != nil {
		return err
	}
	result := s.deps.Tester.Test(ctx, target)
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the test was cut short")
	}
	tested := *c
	tested.LastTest, tested.Status = &result, Offline
	if result.OK {
		tested.Status = Online
	}
	err = s.deps.Repository.SaveConnectionTest(ctx, &tested)
	if err != nil && !fault.Has(err, fault.RequestStale) {
		return err
	}
	c.LastTest, c.Status = tested.LastTest, tested.Status
	return nil
}

// testAfterWrite tests what was just stored. The write stands whatever
// happens here: a test that could not be made or stored leaves c untested.
func (s *Service) testAfterWrite(ctx context.Context, c *Connection) {
	if err := s.test(ctx, c); err != nil {
		s.deps.Logger.WarnContext(ctx, "test after the write of a connection", "connection", c.ID, "error", err)
	}
}
