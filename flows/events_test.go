package flows_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const kebabEvent = `{"trigger-id":"t1","subscription-id":"s1","event-id":"e1","offset":7,"event":{"id":"e1","identifier":"4711","typedIdentifier":{"type":"STRING","value":"4711"},` +
	`"fields":[{"id":"CASE_NUMBER","value":"4711","type":"STRING","isIdentifier":true},{"id":"VALUE","value":"12.5","type":"FLOAT"},{"id":"N","value":3,"type":"INT"},` +
	`{"id":"AT","value":"2026-01-02T03:04:05Z","type":"DATE"},{"id":"SINCE","value":1767323045000,"type":"DATE"},{"id":"offset","value":1,"type":"STRING"},{"id":"NONE","value":null,"type":"INT"}]}}`

func TestAnEventIsARecord(t *testing.T) {
	t.Parallel()
	const want = `{"eventId":"e1","triggerId":"t1","subscriptionId":"s1","offset":7,"creationDate":null,"identifier":"4711","typedIdentifier":{"type":"STRING","value":"4711"},` +
		`"CASE_NUMBER":"4711","VALUE":12.5,"N":3,"AT":"2026-01-02T03:04:05Z","SINCE":"2026-01-02T03:04:05.000Z","field_offset":"1","NONE":null}` + "\n"
	camel := strings.NewReplacer("trigger-id", "triggerId", "subscription-id", "subscriptionId", "event-id", "eventId").Replace(kebabEvent)
	for name, body := range map[string]string{
		"an array": "[" + kebabEvent + "]", "one": kebabEvent, "camelCase": "[" + camel + "]", "events": `{"events":[` + kebabEvent + `]}`,
		"a page": `{"pageSize":50,"content":[` + kebabEvent + `]}`, "an offset in quotes": strings.Replace(kebabEvent, `"offset":7`, `"offset":"7"`, 1),
	} {
		events, probe, err := flows.ReadEvents([]byte(body))
		require.NoError(t, err, name)
		require.False(t, probe, name)
		require.Len(t, events, 1, name)
		require.Equal(t, want, string(events[0].Line), name)
		require.EqualValues(t, 7, events[0].Offset, name)
		require.Equal(t, "s1", events[0].SubscriptionID, name)
	}
}

func TestEventsThatWereReadAgain(t *testing.T) {
	t.Parallel()
	events, _, err := flows.ReadEvents([]byte(`{"pageSize":50,"content":[{"subscriberId":"who","triggerId":"t","offset":3,"creationDate":"2026-01-01T00:00:00Z","event":{"id":"e","identifier":"i","fields":[]}}]}`))
	require.NoError(t, err)
	require.Empty(t, events[0].SubscriptionID, "a subscriber is no subscription")
	require.JSONEq(t, `{"eventId":"e","triggerId":"t","subscriptionId":"who","offset":3,"creationDate":"2026-01-01T00:00:00Z","identifier":"i","typedIdentifier":null}`, string(events[0].Line))
}

func TestLooksAtTheAddressHaveNoEvents(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", " \n", "[]", "{}", `{"message":"ping"}`, `[{}]`, `{"content":[]}`} {
		events, probe, err := flows.ReadEvents([]byte(body))
		require.NoError(t, err, body)
		require.True(t, probe, body)
		require.Empty(t, events, body)
	}
}

func TestDeliveriesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]fault.Code{
		`[`: fault.RequestMalformed, `1`: fault.SubscriptionEvents, `"x"`: fault.SubscriptionEvents, `null`: fault.SubscriptionEvents,
		`[{"offset":-1}]`: fault.SubscriptionEvents, `[{"offset":1.5}]`: fault.SubscriptionEvents, `[{"event-id":"e"}]`: fault.SubscriptionEvents,
		`[{"offset":9223372036854775807}]`: fault.SubscriptionEvents, `[{"offset":1},{"x":1}]`: fault.SubscriptionEvents, `[{"offset":1},2]`: fault.SubscriptionEvents,
		`[{"offset":1,"event":{"fields":{}}}]`: fault.SubscriptionEvents, `[{"offset":1,"event":{"fields":[{"value":1}]}}]`: fault.SubscriptionEvents,
		`[{"offset":1,"subscription-id":"` + strings.Repeat("x", 300) + `"}]`:    fault.SubscriptionEvents,
		`[` + strings.Repeat(`{"offset":1},`, flows.MaxEvents) + `{"offset":1}]`: fault.SubscriptionEvents,
	} {
		_, _, err := flows.ReadEvents([]byte(body))
		require.Equal(t, code, fault.CodeOf(err), "%.60s: %v", body, err)
	}
}

// Whatever is delivered, a record is one line of JSON with the offset that counts.
func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{kebabEvent, "[" + kebabEvent + "]", "", "[]", "{}", `[{"offset":1,"event":{"fields":[{"id":"a\nb","value":"\u0000","type":"X"},{"id":"a\nb","value":{"x":[1]}}]}}]`, `{"events":[[1]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, probe, err := flows.ReadEvents(body)
		if err != nil || probe {
			require.Empty(t, events)
			return
		}
		for _, e := range events {
			require.True(t, json.Valid(e.Line), "%s", e.Line)
			require.Equal(t, 1, bytes.Count(e.Line, []byte("\n")))
			var record struct{ Offset int64 }
			require.NoError(t, json.Unmarshal(e.Line, &record))
		}
	})
}
