package celonis_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const (
	eventModel   = "pkg.events"
	eventTrigger = "LATE ORDER"
	eventSecret  = "canary-callback-token-0123456789abcdef"
)

// withTrigger gives the team a model with a trigger, and lets callbacks be of this machine.
func withTrigger(how celonissim.Events) func(*celonissim.Options) {
	return func(o *celonissim.Options) {
		how.InsecureCallbacks = true
		o.Events = how
		o.Teams[0].KnowledgeModels = []celonissim.KnowledgeModel{{ID: eventModel, Triggers: []celonissim.Trigger{{ID: eventTrigger, Name: "Late"}}}}
	}
}

// callback answers deliveries with a status.
func callback(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return s.URL
}

func draftTo(base string) celonis.SubscriptionDraft {
	return celonis.SubscriptionDraft{Name: "ours [1]", URI: crypto.NewSecret(base + "/hooks/events/" + eventSecret), Authorization: crypto.NewSecret("Bearer " + eventSecret)}
}

func TestLifeOfASubscription(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{false, true} {
		s := startSim(t, withTrigger(celonissim.Events{BareID: bare}))
		ctx, c := t.Context(), s.client
		list, err := c.EventSubscriptions(ctx)
		require.NoError(t, err)
		require.Empty(t, list)
		d := draftTo(callback(t, http.StatusOK))
		id, err := c.Subscribe(ctx, eventModel, eventTrigger, d)
		require.NoError(t, err)
		list, err = c.EventSubscriptions(ctx)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, []any{id, "ours [1]", "active", eventModel, eventTrigger, d.URI.Reveal(), int64(-1)}, []any{list[0].ID, string(list[0].Name), string(list[0].Status),
			string(list[0].KnowledgeModelID), string(list[0].TriggerID), string(list[0].CallbackInfo.URI), list[0].LastSuccess()})

		status := func() string { return s.Subscriptions()[0].Status }
		require.NoError(t, c.PauseSubscription(ctx, id))
		require.Equal(t, "paused", status())
		s.Emit(eventTrigger, celonissim.Event{ID: "e0"}, celonissim.Event{ID: "e1"})
		body, err := c.UndeliveredEvents(ctx, id)
		require.NoError(t, err)
		var page struct{ Content []struct{ Offset int } }
		require.NoError(t, json.Unmarshal(body, &page))
		require.Len(t, page.Content, 2)
		require.NoError(t, c.ResumeSubscription(ctx, id))
		require.Equal(t, "active", status())
		require.NoError(t, c.Replay(ctx, id, 1))
		require.NoError(t, c.ResumeFromLatest(ctx, id))
		d.Name, d.SkipErrors = "another [1]", true
		require.NoError(t, c.ChangeSubscription(ctx, id, d))
		require.Equal(t, []any{"another [1]", []string{"SKIP_ERRORS"}}, []any{s.Subscriptions()[0].Name, s.Subscriptions()[0].Configurations})
		require.NoError(t, c.Unsubscribe(ctx, id))
		require.NoError(t, c.Unsubscribe(ctx, id), "one that is gone is no fault")
		for name, call := range map[string]error{"pause": c.PauseSubscription(ctx, id), "replay": c.Replay(ctx, id, 0), "change": c.ChangeSubscription(ctx, id, d)} {
			require.Equal(t, fault.SubscriptionNotFound, fault.CodeOf(call), name)
		}
	}
}

func TestSubscriptionFaults(t *testing.T) {
	t.Parallel()
	s := startSim(t, withTrigger(celonissim.Events{}))
	good := callback(t, http.StatusOK)
	for name, tt := range map[string]struct {
		model, trigger string
		draft          celonis.SubscriptionDraft
		code           fault.Code
		hint           string
	}{
		"an unknown model":        {"pkg.none", eventTrigger, draftTo(good), fault.CelonisNotFound, "must be published"},
		"an unknown trigger":      {eventModel, "NONE", draftTo(good), fault.SubscriptionTrigger, "pick the trigger anew"},
		"nobody answers":          {eventModel, eventTrigger, draftTo("http://127.0.0.1:1"), fault.SubscriptionCallback, "CONNECTOR_PUBLIC_URL"},
		"a callback that fails":   {eventModel, eventTrigger, draftTo(callback(t, http.StatusNotFound)), fault.SubscriptionCallback, "CONNECTOR_PUBLIC_URL"},
		"an address that is none": {eventModel, eventTrigger, draftTo("ftp://127.0.0.1"), fault.SubscriptionCallbackURL, "CONNECTOR_PUBLIC_URL"},
		"an empty header":         {eventModel, eventTrigger, celonis.SubscriptionDraft{Name: "n", URI: draftTo(good).URI}, fault.SubscriptionHeaders, ""},
	} {
		_, err := s.client.Subscribe(t.Context(), tt.model, tt.trigger, tt.draft)
		require.Equal(t, tt.code, fault.CodeOf(err), "%s: %v", name, err)
		require.Contains(t, fault.From(err).Hint, tt.hint, name)
		require.NotContains(t, err.Error(), eventSecret)
	}
	s.AddFault(celonissim.Fault{Route: "subscriptions.list", Status: http.StatusForbidden, Body: celonissim.BodyEmpty})
	_, err := s.client.EventSubscriptions(t.Context())
	require.Equal(t, fault.CelonisAPIDisabled, fault.CodeOf(err))
}

// A subscription is made once: whether a create whose answer was lost was done is for the list to tell.
func TestSubscribingIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := startSim(t, withTrigger(celonissim.Events{}))
	s.AddFault(celonissim.Fault{Route: "subscriptions.create", Cut: celonissim.CutBeforeAnswer})
	_, err := s.client.Subscribe(t.Context(), eventModel, eventTrigger, draftTo(callback(t, http.StatusOK)))
	require.Error(t, err)
	require.EqualValues(t, 1, s.Counts()["subscriptions.create"].Requests)
	require.Len(t, s.Subscriptions(), 1)
}

// What a server echoes of the secrets of a callback is taken out.
func TestCallbackSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		return answer(r, http.StatusBadRequest, "application/problem+json", `{"title":"Bad","status":400,"detail":"no `+eventSecret+` here","errorCode":"SUBSCRIPTION_URI_ILLEGAL"}`), nil
	})})
	_, err := c.Subscribe(t.Context(), eventModel, eventTrigger, draftTo("https://connector.example.com"))
	require.Equal(t, fault.SubscriptionCallbackURL, fault.CodeOf(err))
	for _, text := range []string{err.Error(), fault.From(err).Message} {
		require.NotContains(t, text, eventSecret)
		require.NotContains(t, text, eventSecret[:20])
	}
}

func TestATokenWithoutTheScopeCannotSubscribe(t *testing.T) {
	t.Parallel()
	c := newClient(t, celonis.Config{Target: connections.Target{
		BaseURL: "https://acme.eu-1.celonis.cloud", APIType: connections.Intelligence, AuthType: connections.OAuth2,
		OAuth: &connections.OAuthTarget{ClientID: "c", ClientSecret: crypto.NewSecret("client-secret-0123456789"), AuthMethod: connections.ClientSecretBasic, ValidOrigins: []string{"https://acme.eu-1.celonis.cloud"}},
	}, Transport: trip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/oauth2/token") {
			return answer(r, http.StatusOK, "application/json", `{"access_token":"an-access-token-0123456789","token_type":"Bearer","expires_in":899}`), nil
		}
		return answer(r, http.StatusForbidden, "application/problem+json", `{"title":"Access Denied.","status":403,"detail":"no","errorCode":"ADMIN_ACCESS_ERROR"}`), nil
	})})
	_, err := c.EventSubscriptions(t.Context())
	require.Equal(t, fault.CelonisForbidden, fault.CodeOf(err))
	require.Contains(t, fault.From(err).Hint, "intelligence.subscriptions:manage")
}
