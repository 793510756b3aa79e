package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const notificationID = "0199f3a0-0009-7b54-9a3e-2f6c1d0b8e11"

const notificationBody = `{"name":"On call","type":"webhook","events":["runFailed"],"url":"https://ops.example.com/hook","secret":"0123456789abcdef"}`

func aNotification() *flows.Notification {
	return &flows.Notification{
		ID: notificationID, Workspace: "default", Revision: 2, Name: "On call", Type: flows.ByWebhook, Enabled: true,
		Events: []flows.NotificationEvent{flows.RunFailed}, URL: "https://ops.example.com/hook",
		Secret:       &flows.SealedText{Envelope: "v1.k.sealed-envelope", UpdatedAt: epoch()},
		LastDelivery: &flows.DeliveryOutcome{At: epoch(), Event: flows.RunFailed, Error: "the receiver answered 500"},
		CreatedAt:    epoch(), UpdatedAt: epoch(),
	}
}

// fakeNotifications knows one notification.
type fakeNotifications struct {
	got      flows.NotificationDraft
	revision int64
}

func (f *fakeNotifications) Create(_ context.Context, _ string, d flows.NotificationDraft) (*flows.Notification, error) {
	f.got = d
	return aNotification(), nil
}

func (f *fakeNotifications) Get(_ context.Context, _, id string) (*flows.Notification, error) {
	return aNotification(), none(fault.NotificationNotFound, id, notificationID)
}

func (f *fakeNotifications) List(context.Context, string, flows.Page) ([]flows.Notification, error) {
	return []flows.Notification{*aNotification()}, nil
}

func (f *fakeNotifications) Update(_ context.Context, _, id string, d flows.NotificationDraft, revision int64) (*flows.Notification, error) {
	f.got, f.revision = d, revision
	return aNotification(), none(fault.NotificationNotFound, id, notificationID)
}

func (f *fakeNotifications) Delete(_ context.Context, _, id string, revision int64) error {
	f.revision = revision
	return none(fault.NotificationNotFound, id, notificationID)
}

func (f *fakeNotifications) SendSample(_ context.Context, _, id string) (flows.DeliveryOutcome, error) {
	return flows.DeliveryOutcome{At: epoch(), Event: flows.Sample, OK: true}, none(fault.NotificationNotFound, id, notificationID)
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/notifications", notificationBody)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, "/v1/notifications/"+notificationID, res.header.Get("Location"))
	require.Equal(t, `"2"`, res.header.Get("Etag"))
	require.JSONEq(t, `{"id":"`+notificationID+`","name":"On call","type":"webhook","enabled":true,"events":["runFailed"],"flowIds":[],
		"url":"https://ops.example.com/hook","to":[],"secrets":{"secret":{"set":true,"updatedAt":"2026-03-01T08:30:00.123456Z"}},
		"lastDelivery":{"at":"2026-03-01T08:30:00.123456Z","event":"runFailed","ok":false,"error":"the receiver answered 500","givenUp":false},
		"createdAt":"2026-03-01T08:30:00.123456Z","updatedAt":"2026-03-01T08:30:00.123456Z","revision":2}`, res.body)
	require.True(t, s.notifications.got.Secret.Equal(crypto.NewSecret("0123456789abcdef")))
	s.ask("POST /v1/notifications", `{"name":7,"type":"pigeon","events":["runFailed","x"],"pager":"1"}`).
		requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/name", "/type", "/events/1", "/pager")

	list := s.ask("GET /v1/notifications", "")
	require.Equal(t, http.StatusOK, list.status, list.body)
	require.NotContains(t, list.body, "envelope")
	require.Equal(t, http.StatusOK, s.ask("GET /v1/notifications/"+notificationID, "").status)
	res = s.ask("PATCH /v1/notifications/"+notificationID, `{"enabled":false,"flowIds":["`+flowID+`"]}`, "If-Match", `"2"`)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.EqualValues(t, 2, s.notifications.revision)
	require.False(t, *s.notifications.got.Enabled)
	require.Equal(t, "https://ops.example.com/hook", s.notifications.got.URL)
	require.True(t, s.notifications.got.Secret.IsZero(), "a patch keeps the secret")
	s.ask("PATCH /v1/notifications/"+notificationID, `{"name":"x"}`, "If-Match", `"1"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")

	require.JSONEq(t, `{"at":"2026-03-01T08:30:00.123456Z","event":"test","ok":true,"error":null,"givenUp":false}`,
		s.ask("POST /v1/notifications/"+notificationID+"/test", "").body)
	require.Equal(t, http.StatusNoContent, s.ask("DELETE /v1/notifications/"+notificationID, "", "If-Match", `"2"`).status)
	require.EqualValues(t, 2, s.notifications.revision)
}
