package connections_test

import (
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func settings() *connections.HTTPSettings {
	seconds, retries := 30, 0
	return &connections.HTTPSettings{Headers: []connections.Header{{Name: "X-Route", Value: " eu "}}, TimeoutSeconds: &seconds, Retries: &retries}
}

func TestHTTPSettingsAreStoredTestedAndHandedOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, func(d *connections.Draft) { d.HTTP = settings() })
	want := settings()
	want.Headers[0].Value = "eu"
	require.Equal(t, want, c.HTTP)
	require.Equal(t, want, b.tester.targets[0].HTTP, "the test is made with them")
	target, err := b.Target(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, want, target.HTTP)
	require.Equal(t, c.ID, target.ID)
	_, err = b.TestDraft(t.Context(), workspace, func() connections.Draft { d := draft(); d.HTTP = settings(); return d }())
	require.NoError(t, err)
	require.Equal(t, want, b.tester.targets[1].HTTP)
}

func TestViewsDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, func(d *connections.Draft) { d.HTTP = settings() })
	simple := c.Draft()
	simple.Name = "renamed"
	c, err := b.Update(t.Context(), workspace, c.ID, simple, 0)
	require.NoError(t, err)
	require.Equal(t, "eu", c.HTTP.Headers[0].Value, "a change of the simple view keeps the HTTP view")
	require.EqualValues(t, 2, c.Revision)

	calls := 3
	other := c.Draft()
	other.HTTP = &connections.HTTPSettings{Concurrency: &calls}
	c, err = b.Update(t.Context(), workspace, c.ID, other, 0)
	require.NoError(t, err)
	require.Equal(t, "renamed", c.Name)
	require.Equal(t, pool, c.PoolID)
	require.Equal(t, &connections.HTTPSettings{Concurrency: &calls}, c.HTTP)
	require.EqualValues(t, 3, c.Revision)
	require.Len(t, b.tester.targets, 2, "another HTTP view is tested, another name is not")

	c, err = b.Update(t.Context(), workspace, c.ID, c.Draft(), 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, c.Revision, "the same again is no change")

	none := c.Draft()
	none.HTTP = &connections.HTTPSettings{Headers: []connections.Header{}}
	c, err = b.Update(t.Context(), workspace, c.ID, none, 0)
	require.NoError(t, err)
	require.Nil(t, c.HTTP, "an empty view is the service's own choice")
}

func TestHTTPSettingsEqual(t *testing.T) {
	t.Parallel()
	empty := &connections.HTTPSettings{Headers: []connections.Header{}}
	require.True(t, (*connections.HTTPSettings)(nil).Equal(empty))
	require.True(t, empty.Equal(nil))
	require.True(t, settings().Equal(settings()))
	require.False(t, settings().Equal(nil))
	changed := settings()
	changed.Headers[0].Value = "us"
	require.False(t, settings().Equal(changed))
}

func TestHeaderFaultsAreToldAtTheirPlace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := draft()
	d.HTTP = &connections.HTTPSettings{Headers: []connections.Header{
		{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "Authorization", Value: "AppKey canary"}, {Name: "", Value: ""},
		{Name: "X-Client-Secret", Value: "canary"},
	}}
	_, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{})
	require.ElementsMatch(t, []string{
		"/http/headers/1/name request.field_invalid",
		"/http/headers/2/name request.field_invalid", "/http/headers/2/value request.field_invalid",
		"/http/headers/3/name request.field_missing", "/http/headers/3/value request.field_missing",
		"/http/headers/4/name request.field_invalid",
	}, pointers(err))
	require.NotContains(t, err.Error()+fault.From(err).Hint, "canary")
	require.Contains(t, fault.From(err).Hint, "stored and shown")
}
