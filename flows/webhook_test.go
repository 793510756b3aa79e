package flows_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const hookSecret = "whsec_4f1c/+ top"

// hookNow is the clock of these tests.
var hookNow = time.Date(2026, time.October, 25, 1, 30, 0, 500_000_000, time.UTC)

// hooks is a service that can verify deliveries, and the webhook of a flow.
func hooks(t testing.TB, auth flows.WebhookAuth) (*flows.Service, *flows.Webhook) {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	keyring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	s := flows.NewService(flows.Deps{Sealer: keyring, Now: func() time.Time { return hookNow }})
	envelope, err := keyring.Seal(crypto.NewSecret(hookSecret), crypto.AAD{Workspace: "w", Kind: flows.SealedWebhook, ID: "f", Field: flows.WebhookSecret})
	require.NoError(t, err)
	f := &flows.Flow{ID: "f", Workspace: "w", Enabled: true, Spec: flows.Spec{
		Export: flows.Export{Type: flows.ExportWebhook, Webhook: &flows.WebhookExport{Auth: auth}},
	}}
	return s, &flows.Webhook{Flow: f, Envelope: envelope}
}

// signed is an HMAC over the parts, as a sender computes it.
func signed(algorithm func() hash.Hash, secret string, parts ...string) []byte {
	mac := hmac.New(algorithm, []byte(secret))
	for _, p := range parts {
		_, _ = mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}

// sender signs a body at a time, with a secret.
type sender func(body, secret string, at time.Time) http.Header

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// senders are every way to prove oneself.
func senders() map[string]struct {
	auth flows.WebhookAuth
	send sender
	// signs says that the body counts, timed that the time does.
	signs, timed bool
} {
	type entry = struct {
		auth         flows.WebhookAuth
		send         sender
		signs, timed bool
	}
	hmacAuth := func(a flows.WebhookAuth) flows.WebhookAuth { a.Type = flows.HookHMAC; return a }
	return map[string]entry{
		"token": {auth: flows.WebhookAuth{Type: flows.HookToken, Header: "X-Webhook-Token"}, send: func(_, secret string, _ time.Time) http.Header {
			return http.Header{"X-Webhook-Token": {secret}}
		}},
		"bearer": {auth: flows.WebhookAuth{Type: flows.HookToken, Header: "Authorization", Prefix: "Bearer "}, send: func(_, secret string, _ time.Time) http.Header {
			return http.Header{"Authorization": {"Bearer " + secret}}
		}},
		"basic": {auth: flows.WebhookAuth{Type: flows.HookBasic, Username: "me"}, send: func(_, secret string, _ time.Time) http.Header {
			return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secret))}}
		}},
		"github": {auth: hmacAuth(flows.WebhookAuth{Preset: flows.PresetGitHub}), signs: true, send: func(body, secret string, _ time.Time) http.Header {
			return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(signed(sha256.New, secret, body))}}
		}},
		"shopify": {auth: hmacAuth(flows.WebhookAuth{Preset: flows.PresetShopify}), signs: true, send: func(body, secret string, _ time.Time) http.Header {
			return http.Header{"X-Shopify-Hmac-Sha256": {base64.StdEncoding.EncodeToString(signed(sha256.New, secret, body))}}
		}},
		"stripe": {auth: hmacAuth(flows.WebhookAuth{Preset: flows.PresetStripe}), signs: true, timed: true, send: func(body, secret string, at time.Time) http.Header {
			old := hex.EncodeToString(signed(sha256.New, "an older secret", unix(at), ".", body))
			return http.Header{"Stripe-Signature": {"t=" + unix(at) + ",v1=" + old + ", v1=" + hex.EncodeToString(signed(sha256.New, secret, unix(at), ".", body)) + ",v0=zz"}}
		}},
		"slack": {auth: hmacAuth(flows.WebhookAuth{Preset: flows.PresetSlack}), signs: true, timed: true, send: func(body, secret string, at time.Time) http.Header {
			return http.Header{"X-Slack-Request-Timestamp": {unix(at)}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(signed(sha256.New, secret, "v0:", unix(at), ":", body))}}
		}},
		"sha512": {auth: hmacAuth(flows.WebhookAuth{Algorithm: "sha512", Encoding: "base64", Header: "X-Sum"}), signs: true, send: func(body, secret string, _ time.Time) http.Header {
			return http.Header{"X-Sum": {base64.StdEncoding.EncodeToString(signed(sha512.New, secret, body))}}
		}},
		"own, timed": {auth: hmacAuth(flows.WebhookAuth{TimestampHeader: "X-Time", Tolerance: 300}), signs: true, timed: true, send: func(body, secret string, at time.Time) http.Header {
			return http.Header{"X-Time": {unix(at)}, "X-Signature": {strings.ToUpper(hex.EncodeToString(signed(sha256.New, secret, unix(at), ".", body)))}}
		}},
		"time behind the body": {auth: hmacAuth(flows.WebhookAuth{TimestampHeader: "X-Time", Payload: "{body}|{timestamp}|x"}), signs: true, timed: true, send: func(body, secret string, at time.Time) http.Header {
			return http.Header{"X-Time": {unix(at)}, "X-Signature": {hex.EncodeToString(signed(sha256.New, secret, body, "|", unix(at), "|x"))}}
		}},
	}
}

// bodies are bytes: what is no UTF-8, and what differs in white space only, has a signature of its own.
var bodies = []string{`{"id":1}`, `{"id": 1}`, "{\"id\":1}\n", "", "\xff\xfe\x00{\"a\":\"\x80\"}", "{body}{timestamp}", strings.Repeat("x", 100_000)}

func TestSendersProveThemselves(t *testing.T) {
	t.Parallel()
	for name, tt := range senders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, h := hooks(t, tt.auth)
			verify := func(body string, header http.Header) (*flows.Once, error) {
				return s.VerifyDelivery(h, flows.HookDelivery{Header: header.Values, Body: []byte(body)})
			}
			refused := fault.WebhookUnauthenticated
			if tt.signs {
				refused = fault.WebhookSignature
			}
			marks := map[string]bool{}
			for _, body := range bodies {
				right := tt.send(body, hookSecret, hookNow)
				once, err := verify(body, right)
				require.NoError(t, err)
				again, err := verify(body, right)
				require.NoError(t, err)
				require.Equal(t, once, again)
				if tt.signs {
					require.Equal(t, "webhook f", once.Scope)
					require.Equal(t, 24*time.Hour, once.Expires.Sub(hookNow))
					require.False(t, marks[once.Key], "two bodies have one mark")
					marks[once.Key] = true
				} else {
					require.Nil(t, once)
				}
				for _, secret := range []string{"", hookSecret + "x", hookSecret[1:], strings.ToUpper(hookSecret)} {
					_, err = verify(body, tt.send(body, secret, hookNow))
					require.Equal(t, refused, fault.CodeOf(err), "%v", err)
					require.NotContains(t, err.Error(), hookSecret)
				}
				_, err = verify(body, http.Header{})
				require.Equal(t, refused, fault.CodeOf(err))
				for name, values := range right {
					doubled := right.Clone()
					doubled[name] = append(values, values...)
					_, err = verify(body, doubled)
					require.Equal(t, refused, fault.CodeOf(err), "a header twice")
					cut := right.Clone()
					cut.Set(name, values[0][:len(values[0])/2])
					_, err = verify(body, cut)
					require.Equal(t, refused, fault.CodeOf(err), "half a header")
				}
				if !tt.signs {
					continue
				}
				_, err = verify(body+" ", right)
				require.Equal(t, refused, fault.CodeOf(err), "a blank more")
			}
			if !tt.timed {
				return
			}
			for _, at := range []time.Duration{-299 * time.Second, 300 * time.Second} {
				_, err := verify("b", tt.send("b", hookSecret, hookNow.Add(at)))
				require.NoError(t, err, at)
			}
			for _, at := range []time.Duration{-301 * time.Second, 302 * time.Second, -1000 * time.Hour} {
				_, err := verify("b", tt.send("b", hookSecret, hookNow.Add(at)))
				require.Equal(t, fault.WebhookStale, fault.CodeOf(err), at)
				require.Contains(t, err.Error(), "300 are allowed")
				_, err = verify("b", tt.send("b", "wrong", hookNow.Add(at)))
				require.Equal(t, refused, fault.CodeOf(err), "who has no secret learns nothing of the clock")
			}
			first, err := verify("b", tt.send("b", hookSecret, hookNow))
			require.NoError(t, err)
			later, err := verify("b", tt.send("b", hookSecret, hookNow.Add(time.Second)))
			require.NoError(t, err)
			require.NotEqual(t, first.Key, later.Key, "signed anew is another delivery")
		})
	}
}

// A signed time cannot be changed, nor moved between body and time.
func TestTheTimeIsSigned(t *testing.T) {
	t.Parallel()
	s, h := hooks(t, flows.WebhookAuth{Type: flows.HookHMAC, Preset: flows.PresetSlack})
	old := senders()["slack"].send("body", hookSecret, hookNow.Add(-time.Hour))
	old.Set("X-Slack-Request-Timestamp", unix(hookNow))
	_, err := s.VerifyDelivery(h, flows.HookDelivery{Header: old.Values, Body: []byte("body")})
	require.Equal(t, fault.WebhookSignature, fault.CodeOf(err))
	for _, text := range []string{"", "now", "-5", "1e9", "9999999999999", " 1"} {
		header := http.Header{"X-Slack-Request-Timestamp": {text}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(signed(sha256.New, hookSecret, "v0:", text, ":", "body"))}}
		_, err := s.VerifyDelivery(h, flows.HookDelivery{Header: header.Values, Body: []byte("body")})
		require.Equal(t, fault.WebhookSignature, fault.CodeOf(err), "%q", text)
	}
}

func TestDeliveriesAreToldApartByTheirHeader(t *testing.T) {
	t.Parallel()
	s, h := hooks(t, flows.WebhookAuth{Type: flows.HookHMAC, Preset: flows.PresetGitHub})
	h.Flow.Export.Webhook.DeliveryHeader = "X-GitHub-Delivery"
	send := func(body, id string) (*flows.Once, error) {
		header := senders()["github"].send(body, hookSecret, hookNow)
		if id != "" {
			header.Set("X-GitHub-Delivery", id)
		}
		return s.VerifyDelivery(h, flows.HookDelivery{Header: header.Values, Body: []byte(body)})
	}
	one, err := send("a", "1")
	require.NoError(t, err)
	same, err := send("b", "1")
	require.NoError(t, err)
	two, err := send("a", "2")
	require.NoError(t, err)
	require.Equal(t, one.Key, same.Key)
	require.NotEqual(t, one.Key, two.Key)
	_, err = send("a", "")
	require.Equal(t, fault.RequestInvalid, fault.CodeOf(err))
	require.Contains(t, err.Error(), "X-GitHub-Delivery")
}

func TestWebhooksThatTakeNothing(t *testing.T) {
	t.Parallel()
	s, h := hooks(t, flows.WebhookAuth{Type: flows.HookToken, Header: "X-T"})
	d := flows.HookDelivery{Header: http.Header{"X-T": {hookSecret}}.Values}
	h.Flow.Enabled = false
	_, err := s.VerifyDelivery(h, d)
	require.Equal(t, fault.WebhookDisabled, fault.CodeOf(err))
	_, err = s.VerifyDelivery(h, flows.HookDelivery{Header: http.Header{}.Values})
	require.Equal(t, fault.WebhookUnauthenticated, fault.CodeOf(err), "a stranger does not learn that it is disabled")
	other := *h
	other.Envelope = ""
	_, err = s.VerifyDelivery(&other, flows.HookDelivery{Header: http.Header{"X-T": {""}}.Values})
	require.Equal(t, fault.WebhookSecretMissing, fault.CodeOf(err), "no secret is no open door")
	elsewhere := *h.Flow
	elsewhere.ID = "g"
	_, err = s.VerifyDelivery(&flows.Webhook{Flow: &elsewhere, Envelope: h.Envelope}, d)
	require.Equal(t, fault.SecretUnsealed, fault.CodeOf(err), "a secret of another flow opened")
}

// FuzzSignatureHeader: no header but the right one passes, and none breaks the code.
func FuzzSignatureHeader(f *testing.F) {
	for _, name := range []string{"stripe", "github", "slack", "sha512"} {
		for _, values := range senders()[name].send("b", hookSecret, hookNow) {
			f.Add(values[0])
		}
	}
	for _, text := range []string{"", ",", "t=,v1=", "t=1,t=2,v1=aa", "v1=", "sha256=", strings.Repeat("v1=00,", 20)} {
		f.Add(text)
	}
	type hooked struct {
		s    *flows.Service
		h    *flows.Webhook
		name string
	}
	var list []hooked
	for _, name := range []string{"stripe", "github", "slack", "sha512", "shopify"} {
		s, h := hooks(f, senders()[name].auth)
		for header := range senders()[name].send("b", hookSecret, hookNow) {
			list = append(list, hooked{s, h, header})
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range list {
			_, err := k.s.VerifyDelivery(k.h, flows.HookDelivery{Header: http.Header{k.name: {text}}.Values, Body: []byte("another body")})
			require.Error(t, err)
			require.Contains(t, []fault.Code{fault.WebhookSignature}, fault.CodeOf(err))
		}
	})
}
