package telemetry_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/telemetry"
)

// canary holds what encodings treat specially.
const canary = `CANARY/key+1 "q"<&>\é=%7z?end`

func formsInTheWild(value string) map[string]string {
	asJSON, _ := json.Marshal(map[string]string{"key": value})
	twice, _ := json.Marshal(string(asJSON))
	forms := map[string]string{
		"plain":            value,
		"header":           "Authorization: AppKey " + value,
		"query":            "https://x/?k=" + url.QueryEscape(value) + "&b=1",
		"query lower case": "k=" + lowerHex(url.QueryEscape(value)),
		"path":             "https://x/" + url.PathEscape(value) + "/y",
		"form":             url.Values{"client_secret": {value}}.Encode(),
		"user info":        (&url.URL{Scheme: "https", Host: "x", User: url.UserPassword("u", value)}).String(),
		"json":             string(asJSON),
		"json in json":     string(twice),
		"go quoted":        fmt.Sprintf("%q", value),
		"go quoted ascii":  fmt.Sprintf("%+q", value),
		"hex":              hex.EncodeToString([]byte(value)),
		"HEX":              strings.ToUpper(hex.EncodeToString([]byte(value))),
	}
	for name, e := range map[string]*base64.Encoding{
		"std": base64.StdEncoding, "raw std": base64.RawStdEncoding, "url": base64.URLEncoding, "raw url": base64.RawURLEncoding,
	} {
		forms["base64 "+name] = e.EncodeToString([]byte(value))
	}
	for _, user := range []string{"", "u", "us", "use", "user"} {
		r, _ := http.NewRequest(http.MethodGet, "http://x", nil)
		r.SetBasicAuth(user, value)
		forms["basic credentials of "+user] = r.Header.Get("Authorization")
	}
	return forms
}

func lowerHex(s string) string {
	for _, h := range []string{"2B", "2F", "3C", "3D", "3E", "3F", "5C", "C3", "A9"} {
		s = strings.ReplaceAll(s, "%"+h, "%"+strings.ToLower(h))
	}
	return s
}

// requireHidden fails when a run of the secret's characters is left in text,
// in the given form.
func requireHidden(t *testing.T, form, text, output string) {
	t.Helper()
	require.Contains(t, output, "[redacted]", form)
	value := text
	for from := 0; from+12 <= len(value); from++ {
		part := value[from : from+12]
		if strings.Contains(output, part) {
			// What is left must be around the secret, not of it.
			require.False(t, strings.Contains(canary, part), "%s: %q is left in %q", form, part, output)
		}
	}
}

func TestRedactorFindsEveryForm(t *testing.T) {
	t.Parallel()
	for _, value := range []string{canary, "simple-Key_0123456789abcdef", strings.Repeat("a", 6) + "Z9"} {
		r := telemetry.NewRedactor()
		forms := formsInTheWild(value)
		for form, text := range forms {
			require.Equal(t, text, r.String(text), form)
		}
		release := r.Register(crypto.NewSecret(value))
		for form, text := range forms {
			for _, around := range []string{"%s", "before %s after", "a%sb", "%[1]s%[1]s"} {
				full := fmt.Sprintf(around, text)
				output := r.String(full)
				requireHidden(t, form, full, output)
				require.Less(t, len(output)-10*strings.Count(output, "[redacted]"), len(full), form)
				require.Equal(t, output, string(r.Bytes([]byte(full))))
			}
			decoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.String(text), "Basic "))
			require.False(t, err == nil && strings.Contains(string(decoded), value), form)
		}
		release()
		release()
		for form, text := range forms {
			require.Equal(t, text, r.String(text), form)
		}
	}
}

func TestRedactorCountsRegistrations(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRedactor()
	first, second := r.Register(crypto.NewSecret("opensesame")), r.Register(crypto.NewSecret("opensesame"))
	first()
	first()
	require.Equal(t, "say [redacted]!", r.String("say opensesame!"))
	second()
	require.Equal(t, "say opensesame!", r.String("say opensesame!"))
}

func TestRedactorPicksTheLongest(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRedactor()
	defer r.Register(crypto.NewSecret("opensesame"))()
	defer r.Register(crypto.NewSecret("opensesame-and-more"))()
	require.Equal(t, "[redacted] [redacted]", r.String("opensesame-and-more opensesame"))
	require.Equal(t, "[redacted][redacted]-and", r.String("opensesameopensesame-and"))
}

func TestRedactorLeavesShortSecretsAndTexts(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRedactor()
	defer r.Register(crypto.NewSecret("short"))()
	defer r.Register(crypto.Secret{})()
	defer r.Register(crypto.NewSecret("longer"))()
	for _, text := range []string{"", "s", "short", "longe", "a longe r"} {
		require.Equal(t, text, r.String(text))
	}
	require.Equal(t, "[redacted]", r.String("longer"))
}

func TestRedactorIsBounded(t *testing.T) {
	t.Parallel()
	const bound = 4096
	r := telemetry.NewRedactor()
	name := func(i int) string { return fmt.Sprintf("secret-number-%06d", i) }
	var oldest func()
	for i := range bound + 1 {
		release := r.Register(crypto.NewSecret(name(i)))
		if i == 0 {
			oldest = release
		}
	}
	require.Equal(t, name(0), r.String(name(0)), "the oldest is given up")
	require.Equal(t, "[redacted]", r.String(name(1)))
	require.Equal(t, "[redacted]", r.String(name(bound)))
	oldest()
	again := r.Register(crypto.NewSecret(name(0)))
	oldest()
	require.Equal(t, "[redacted]", r.String(name(0)), "an old release does not end a new registration")
	again()
}

func TestRedactorInParallel(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRedactor()
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 200 {
				value := fmt.Sprintf("secret-%d-%d", g, i)
				release := r.Register(crypto.NewSecret(value))
				if got := r.String("a " + value + " b"); got != "a [redacted] b" {
					t.Errorf("got %q", got)
				}
				release()
			}
		})
	}
	group.Wait()
}

// FuzzRedactor: no secret is left in any surroundings.
func FuzzRedactor(f *testing.F) {
	f.Add("opensesame", "before ", " after")
	f.Add("aaaaaaaa", "aaaa", "aaaaa")
	f.Add(canary, canary[:7], canary[3:])
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < 6 || strings.ContainsAny(secret, "[]") || strings.Contains("redacted", secret) {
			return
		}
		r := telemetry.NewRedactor()
		release := r.Register(crypto.NewSecret(secret))
		require.NotContains(t, r.String(before+secret+after), secret)
		require.NotContains(t, r.String(before+url.QueryEscape(secret)+after), secret)
		text := base64.StdEncoding.EncodeToString([]byte(before + secret + after))
		redacted := r.String(text)
		require.NotEqual(t, text, redacted)
		release()
		require.Equal(t, text, r.String(text))
	})
}

func BenchmarkRedactor(b *testing.B) {
	r := telemetry.NewRedactor()
	for i := range 200 {
		r.Register(crypto.NewSecret(fmt.Sprintf("secret-%d-%x", i, i*7919)))
	}
	line := strings.Repeat(`{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"a chunk was uploaded","run":"0190","bytes":1234567} `, 3)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		r.String(line)
	}
}

func BenchmarkRegister(b *testing.B) {
	r := telemetry.NewRedactor()
	secret := crypto.NewSecret("MDE5MGYzYTItNzc3Ny00NGFhLWJiYmItY2NjY2RkZGRlZWVl")
	b.ReportAllocs()
	for b.Loop() {
		r.Register(secret)()
	}
}
