package connections_test

import (
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestTestsAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limits := connections.DefaultTestLimits()
	first := b.create(t)
	second := b.create(t, func(d *connections.Draft) { d.Name = "second" })
	for name, c := range map[string]struct {
		most int
		act  func() error
		free func() error
	}{
		"saved": {
			limits.Saved,
			func() error { _, err := b.Test(t.Context(), workspace, first.ID); return err },
			func() error { _, err := b.Test(t.Context(), workspace, second.ID); return err },
		},
		"unsaved": {
			limits.Unsaved,
			func() error { _, err := b.TestDraft(t.Context(), workspace, draft()); return err },
			func() error { _, err := b.TestDraft(t.Context(), "another", draft()); return err },
		},
	} {
		for range c.most {
			require.NoError(t, c.act(), name)
		}
		calls := len(b.tester.targets)
		err := c.act()
		require.True(t, fault.Has(err, fault.ConnectionTestLimited), "%s: %v", name, err)
		require.Equal(t, b.now.Add(time.Minute/time.Duration(c.most)), fault.From(err).ResumeAt, name)
		require.Len(t, b.tester.targets, calls, "%s: nothing is sent", name)
		require.NoError(t, c.free(), "%s: others are not held back", name)
		b.now = fault.From(err).ResumeAt
		require.NoError(t, c.act(), name)
		require.Error(t, c.act(), name)
	}
	b.create(t, func(d *connections.Draft) { d.Name = "third" })
}
