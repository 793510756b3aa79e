package crypto_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
)

const canary = "CANARY-plaintext-5f2a"

// holder has a secret in every position that a struct can give it.
type holder struct {
	Name    string
	Open    crypto.Secret
	Pointer *crypto.Secret
	hidden  crypto.Secret
	inner   struct{ deep crypto.Secret }
	List    []crypto.Secret
	ByName  map[string]crypto.Secret
	hidList []crypto.Secret
	hidMap  map[string]crypto.Secret
	Any     any
}

func newHolder() holder {
	s := crypto.NewSecret(canary)
	h := holder{Name: "n", Open: s, Pointer: &s, hidden: s, List: []crypto.Secret{s}, Any: s,
		ByName: map[string]crypto.Secret{"k": s}, hidList: []crypto.Secret{s}, hidMap: map[string]crypto.Secret{"k": s}}
	h.inner.deep = s
	return h
}

// values are the forms in which a secret can be handed to a printer.
func values() map[string]any {
	s, h := crypto.NewSecret(canary), newHolder()
	k, err := crypto.ParseKeyring("a:" + keyA)
	if err != nil {
		panic(err)
	}
	return map[string]any{
		"secret": s, "pointer": &s, "struct": h, "struct pointer": &h, "slice": []holder{h},
		"keyring": k, "keyring value": *k, "hidden keyring": struct{ k crypto.Keyring }{*k},
		"hidden keyring pointer": struct{ k *crypto.Keyring }{k},
		"error":                  fmt.Errorf("call with %v: %w", s, errors.New("no")),
	}
}

// requireClean fails when text holds the plaintext, the master key, or either
// in one of the forms that printers give to bytes.
func requireClean(t *testing.T, text string) {
	t.Helper()
	lower := strings.ToLower(text)
	raw := []byte(canary)
	for _, form := range []string{
		canary, fmt.Sprintf("%x", raw), fmt.Sprintf("% x", raw), fmt.Sprint(raw), fmt.Sprintf("%x", canary[:8]),
		"141 1 158 209", "8d019ed1", "0x8d, 0x1, 0x9e", keyA[:10],
	} {
		require.NotContains(t, lower, strings.ToLower(strings.Trim(form, "[]")))
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t", "%e", "%T", "%10.3v"}
	for name, value := range values() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, verb := range verbs {
				requireClean(t, fmt.Sprintf(verb, value))
			}
			requireClean(t, fmt.Sprint(value))
			requireClean(t, fmt.Sprintln(value))
			var out bytes.Buffer
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(h).With("with", value).WithGroup("g").Info("m", "value", value, slog.Group("g2", "v", value))
			}
			requireClean(t, out.String())
		})
	}
}

func TestSecretIsNotEncoded(t *testing.T) {
	t.Parallel()
	h := newHolder()
	text, err := json.Marshal(h)
	require.NoError(t, err)
	requireClean(t, string(text))
	require.Contains(t, string(text), `"Open":"[redacted]"`)
	text, err = xml.Marshal(crypto.NewSecret(canary))
	require.NoError(t, err)
	requireClean(t, string(text))
	var out bytes.Buffer
	_ = gob.NewEncoder(&out).Encode(crypto.NewSecret(canary))
	requireClean(t, out.String())
}

func TestSecretTakesAndGivesItsPlaintext(t *testing.T) {
	t.Parallel()
	var body struct{ AppKey, Absent crypto.Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"AppKey":"`+canary+`"}`), &body))
	require.Equal(t, canary, body.AppKey.Reveal())
	require.False(t, body.AppKey.IsZero())
	require.True(t, body.AppKey.Equal(crypto.NewSecret(canary)))
	require.False(t, body.AppKey.Equal(crypto.NewSecret(canary+"x")))
	require.True(t, body.Absent.IsZero())
	require.Empty(t, body.Absent.Reveal())
	require.True(t, body.Absent.Equal(crypto.NewSecret("")))
	require.True(t, crypto.NewSecret("").IsZero())
	require.Equal(t, "[redacted]", body.AppKey.String())
	require.Equal(t, crypto.Secret{}, crypto.NewSecret(""))
}

func TestAReferenceRevealsNothing(t *testing.T) {
	t.Parallel()
	r := crypto.NewRef("env:NAME")
	require.Empty(t, r.Reveal())
	require.False(t, r.IsZero())
	ref, ok := r.Ref()
	require.True(t, ok)
	require.Equal(t, "env:NAME", ref)
	require.True(t, r.Equal(crypto.NewRef("env:NAME")))
	require.False(t, r.Equal(crypto.NewRef("env:OTHER")))
	require.False(t, r.Equal(crypto.NewSecret("env:NAME")))
	require.False(t, crypto.Secret{}.Equal(r))
	require.Equal(t, "[redacted]", fmt.Sprintf("%+v", r))
	_, ok = crypto.NewSecret("env:NAME").Ref()
	require.False(t, ok)
	var read crypto.Secret
	require.NoError(t, read.UnmarshalRef("file:key"))
	require.True(t, read.Equal(crypto.NewRef("file:key")))
}
