package connections_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestWhatTakesAConnectionOffline(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]connections.Finding{
		fault.CelonisUnauthorized: connections.Refused,
		fault.CelonisSchemeMixup:  connections.Refused,
		fault.CelonisForbidden:    connections.Refused,
		fault.CelonisOAuthClient:  connections.Refused,
		fault.CelonisOAuthRefresh: connections.Refused,
		fault.CelonisPoolNotFound: connections.Broken,
		fault.CelonisAPIDisabled:  connections.Broken,
		fault.EgressRefused:       connections.Broken,
		fault.CelonisServer:       connections.Unclear,
		fault.CelonisRateLimited:  connections.Unclear,
		fault.CelonisDisconnected: connections.Unclear,
		fault.CelonisAnswer:       connections.Unclear,
		fault.EgressDNS:           connections.Unclear,
		fault.EgressTLS:           connections.Unclear,
		fault.EgressUnreachable:   connections.Unclear,
		fault.EgressTimeout:       connections.Unclear,
	} {
		require.Equal(t, want, connections.FindingOf(code), code)
	}
}

func TestStandings(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	pace := connections.DefaultPace()
	long, short, next := now.Add(-2*time.Hour), now.Add(-time.Minute), now.Add(30*time.Second)
	standing := func(s connections.Status, refusals int, nextAt, onlineAt time.Time) connections.Standing {
		return connections.Standing{Status: s, Recovery: connections.Recovery{Refusals: refusals, NextProbeAt: nextAt, OnlineAt: onlineAt}}
	}
	in := func(d time.Duration) time.Time { return now.Add(d) }
	var never time.Time
	for i, c := range []struct {
		was   connections.Standing
		found connections.Finding
		by    connections.Observer
		want  connections.Standing
	}{
		{standing(connections.Untested, 0, never, never), connections.Works, connections.Caller, standing(connections.Online, 0, never, now)},
		{standing(connections.Untested, 0, never, never), connections.Refused, connections.Caller, standing(connections.Offline, 1, in(time.Minute), never)},
		{standing(connections.Untested, 0, never, never), connections.Broken, connections.Caller, standing(connections.Offline, 1, in(time.Minute), never)},
		{standing(connections.Untested, 0, never, never), connections.Unclear, connections.Caller, standing(connections.Offline, 1, in(time.Minute), never)},
		{standing(connections.Untested, 0, never, never), connections.Refused, connections.RunOf, standing(connections.Offline, 1, in(time.Minute), never)},
		{standing(connections.Online, 0, never, long), connections.Works, connections.Caller, standing(connections.Online, 0, never, long)},
		{standing(connections.Online, 5, never, long), connections.Refused, connections.RunOf, standing(connections.Offline, 1, in(time.Minute), long)},
		{standing(connections.Online, 2, never, short), connections.Refused, connections.RunOf, standing(connections.Offline, 3, in(4*time.Minute), short)},
		{standing(connections.Online, 0, never, long), connections.Broken, connections.Caller, standing(connections.Offline, 1, in(time.Minute), long)},
		{standing(connections.Online, 0, never, long), connections.Unclear, connections.Caller, standing(connections.Online, 0, never, long)},
		{standing(connections.Offline, 3, next, long), connections.Works, connections.Probe, standing(connections.Online, 3, never, now)},
		{standing(connections.Offline, 3, next, long), connections.Works, connections.Caller, standing(connections.Online, 3, never, now)},
		{standing(connections.Offline, 3, next, long), connections.Refused, connections.Probe, standing(connections.Offline, 4, in(time.Minute*32/5), long)},
		{standing(connections.Offline, 3, next, long), connections.Unclear, connections.Probe, standing(connections.Offline, 4, in(time.Minute*32/5), long)},
		{standing(connections.Offline, 3, next, long), connections.Refused, connections.Caller, standing(connections.Offline, 3, next, long)},
		{standing(connections.Offline, 3, next, long), connections.Refused, connections.RunOf, standing(connections.Offline, 3, next, long)},
		{standing(connections.Offline, 0, never, never), connections.Refused, connections.Caller, standing(connections.Offline, 1, in(time.Minute), never)},
	} {
		got := c.was.After(c.found, c.by, now, pace, 0)
		if c.want.Refusals == 3 && c.want.NextProbeAt.Equal(in(4*time.Minute)) {
			c.want.NextProbeAt = in(4 * time.Minute * 4 / 5)
		}
		require.Equal(t, c.want, got, "row %d", i)
	}
}

func TestProbesComeLessAndLessOften(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	var low, high []string
	s := connections.Standing{Status: connections.Online}
	for range 9 {
		at := func(roll float64) string {
			return s.After(connections.Refused, connections.Probe, now, connections.DefaultPace(), roll).NextProbeAt.Sub(now).String()
		}
		low, high = append(low, at(0)), append(high, at(1))
		s = s.After(connections.Refused, connections.Probe, now, connections.DefaultPace(), 0)
	}
	require.Equal(t, "[1m0s 1m36s 3m12s 6m24s 12m48s 25m36s 48m0s 48m0s 48m0s]", fmt.Sprint(low))
	require.Equal(t, "[1m15s 2m30s 5m0s 10m0s 20m0s 40m0s 1h0m0s 1h0m0s 1h0m0s]", fmt.Sprint(high))
}

// told notes the runs that may go on.
type told struct {
	runs []string
	err  error
}

func (q *told) Push(_ context.Context, id string) error {
	q.runs = append(q.runs, id)
	return q.err
}

func TestARefusedRunTakesItsConnectionOffline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	revision, err := b.Pass(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, c.Revision, revision)

	for _, passing := range []error{nil, fault.New(fault.CelonisServer, "500"), fault.New(fault.EgressUnreachable, "gone"), fault.New(fault.CelonisRateLimited, "429"), context.Canceled} {
		require.Equal(t, passing, b.Refused(t.Context(), workspace, c.ID, revision, passing))
	}
	after, err := b.Get(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, connections.Online, after.Status)

	refusal := fault.New(fault.CelonisUnauthorized, "celonis does not accept the key").WithHint("make another")
	other := b.Refused(t.Context(), workspace, c.ID, revision+1, refusal)
	require.True(t, fault.Has(other, fault.CelonisUnauthorized), "the key was changed meanwhile")
	require.Equal(t, fault.Later, fault.RetryOf(other))

	offline := b.Refused(t.Context(), workspace, c.ID, revision, refusal)
	require.True(t, fault.Has(offline, fault.ConnectionOffline), offline)
	require.Equal(t, fault.Wait, fault.RetryOf(offline))
	require.Equal(t, b.now.Add(time.Minute), fault.From(offline).ResumeAt)
	require.Contains(t, fault.From(offline).Message, "celonis does not accept the key")
	require.Contains(t, fault.From(offline).Hint, "make another")
	after, err = b.Get(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, connections.Offline, after.Status)
	require.Equal(t, b.now.Add(time.Minute), after.NextProbeAt)
	require.Equal(t, "auth", after.LastTest.Steps[0].Step)
	_, err = b.Pass(t.Context(), workspace, c.ID)
	require.True(t, fault.Has(err, fault.ConnectionOffline), err)
}

func TestAProbeBringsAConnectionBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tester.ok = false
	c := b.create(t)
	require.Equal(t, connections.Offline, c.Status)
	probed := func() int { return len(b.tester.targets) }
	require.NoError(t, b.Probe(t.Context()))
	require.Equal(t, 1, probed(), "it is not due")

	b.now = c.NextProbeAt
	require.NoError(t, b.Probe(t.Context()))
	require.Equal(t, 2, probed())
	after, _ := b.Get(t.Context(), workspace, c.ID)
	require.Equal(t, 2, after.Refusals)
	require.Equal(t, b.now.Add(96*time.Second), after.NextProbeAt)

	b.now, b.tester.ok = after.NextProbeAt, true
	b.store.waiting = []string{"run 1", "run 2"}
	require.NoError(t, b.Probe(t.Context()))
	after, _ = b.Get(t.Context(), workspace, c.ID)
	require.Equal(t, connections.Online, after.Status)
	require.True(t, after.NextProbeAt.IsZero())
	require.Equal(t, []string{"run 1", "run 2"}, b.runs.runs, "in order of creation")
	require.NoError(t, b.Probe(t.Context()))
	require.Equal(t, 3, probed())
}

func TestANewKeyAndACallersTestBringAConnectionBack(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*bundle, *connections.Connection) error{
		"a test": func(b *bundle, c *connections.Connection) error {
			_, err := b.Test(t.Context(), workspace, c.ID)
			return err
		},
		"a new key": func(b *bundle, c *connections.Connection) error {
			d := kept(c)
			d.AppKey = crypto.NewSecret("another-key-altogether")
			_, err := b.Update(t.Context(), workspace, c.ID, d, 0)
			return err
		},
	} {
		b := setup(t)
		b.tester.ok = false
		c := b.create(t)
		b.tester.ok, b.store.waiting = true, []string{"run"}
		b.runs.err = fault.New(fault.QueueUnavailable, "gone")
		require.NoError(t, act(b, c), "a queue that does not answer costs time only: %s", name)
		require.Equal(t, []string{"run"}, b.runs.runs, name)
		after, err := b.Get(t.Context(), workspace, c.ID)
		require.NoError(t, err)
		require.Equal(t, connections.Online, after.Status, name)
		require.True(t, after.NextProbeAt.IsZero(), name)
	}
}

// A probe that cannot even be made, because the secret does not open, is a failed one.
func TestAProbeThatCannotBeMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tester.ok = false
	c := b.create(t)
	row := b.store.rows[c.ID]
	row.Secrets = map[connections.SecretField]connections.SealedSecret{connections.AppKey: {Envelope: "v1.k1.broken.broken"}}
	b.store.rows[c.ID] = row
	b.now = c.NextProbeAt
	require.NoError(t, b.Probe(t.Context()))
	after, _ := b.Get(t.Context(), workspace, c.ID)
	require.Equal(t, connections.Offline, after.Status)
	require.Equal(t, 2, after.Refusals)
	require.Equal(t, fault.SecretUnsealed, after.LastTest.Steps[0].Code)
}
