package connections

import "github.com/celonis-connector/connector/internal/fault"

// TestLimits bound the test calls that callers may ask for, so that nobody
// tries keys or hosts by the service. Each process counts for itself; the test
// that follows a write, and probes, are not counted.
type TestLimits struct {
	// Saved is how often a minute one stored connection may be tested.
	Saved int
	// Unsaved is how often a minute a workspace may test connections that are not stored.
	Unsaved int
}

// DefaultTestLimits are generous for people and tight for programs.
func DefaultTestLimits() TestLimits { return TestLimits{Saved: 10, Unsaved: 20} }

// takeTest lets one test pass; fault ConnectionTestLimited says when the next may.
func (s *Service) takeTest(key string, perMinute int) error {
	now := s.deps.Now()
	wait := s.tests.Take(key, perMinute, now)
	if wait == 0 {
		return nil
	}
	return fault.New(fault.ConnectionTestLimited, "more than %d test calls in a minute", perMinute).
		WithHint("wait a few seconds; an offline connection is tested by itself").WithResumeAt(now.Add(wait))
}
