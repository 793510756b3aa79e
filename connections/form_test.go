package connections_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// compiled gives a form as a validator that knows nothing of it.
func compiled(t testing.TB, s form.Spec) *jsonschema.Schema {
	t.Helper()
	require.NoError(t, s.Check())
	text, err := json.Marshal(s.Document())
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("form.json", doc))
	schema, err := c.Compile("form.json")
	require.NoError(t, err)
	return schema
}

// fits asks the validator about a value in its JSON form.
func fits(t testing.TB, schema *jsonschema.Schema, value any) error {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	return schema.Validate(instance)
}

type object = map[string]any

// with gives a copy with other members; nil takes one away.
func with(base object, changes ...object) object {
	out := object{}
	for _, from := range append([]object{base}, changes...) {
		for name, value := range from {
			out[name] = value
			if value == nil {
				delete(out, name)
			}
		}
	}
	return out
}

func TestFormsFitTheirStructs(t *testing.T) {
	t.Parallel()
	p := policy(t)
	require.NoError(t, connections.Form(p).Check())
	require.NoError(t, connections.OAuthClientForm(p).Check())
}

// oauthClients knows one client.
type oauthClients struct {
	connections.OAuthClientRepository
}

func (oauthClients) OAuthClient(_ context.Context, _, id string) (*connections.OAuthClient, error) {
	if id != "client" {
		return nil, fault.New(fault.OAuthClientNotFound, "there is no OAuth client %q", id)
	}
	return &connections.OAuthClient{ID: id, Name: "C", ValidDomains: []string{host},
		AllowedScopes: []string{"integration.data-pools:data_push", "intelligence.knowledge-models:read"}}, nil
}

func (oauthClients) CreateOAuthClient(context.Context, *connections.OAuthClient) error { return nil }

func keyring(t testing.TB) *crypto.Keyring {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	ring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	return ring
}

// formService is a service in memory that knows one OAuth client and the host's own simulator.
func formService(t testing.TB) *connections.Service {
	t.Helper()
	return connections.NewService(connections.Deps{
		Repository: &memory{rows: map[string]connections.Connection{}}, OAuthClients: oauthClients{}, Sealer: keyring(t),
		Tester: &asked{ok: true}, Domains: policy(t, "http://127.0.0.1:9000"),
	})
}

// TestConnectionFormAgreesWithTheChecks: what a generic validator says of a
// body, the API says too.
func TestConnectionFormAgreesWithTheChecks(t *testing.T) {
	t.Parallel()
	b := formService(t)
	schema := compiled(t, connections.Form(policy(t, "http://127.0.0.1:9000")))
	push := object{"name": "N", "apiType": "dataPush", "domain": host, "authType": "custom", "appKey": key, "poolId": pool}
	token := object{"authType": "token", "appKey": nil, "apiKey": key}
	insight := object{"apiType": "intelligence", "poolId": nil}
	oauth := object{"authType": "oauth2", "appKey": nil, "oauthClientId": "client", "scopes": []string{"integration.data-pools:data_push"}}
	http := func(settings object) object { return object{"http": settings} }
	header := func(name, value string) object {
		return http(object{"headers": []object{{"name": name, "value": value}}})
	}
	poolURL := "https://" + host + "/integration/ui/pools/" + pool
	for _, c := range []struct {
		name string
		body object
		good bool
	}{
		{"push, app key", push, true},
		{"push, api key", with(push, token), true},
		{"push, oauth", with(push, oauth), true},
		{"intelligence, app key", with(push, insight), true},
		{"intelligence, api key", with(push, insight, token), true},
		{"intelligence, oauth", with(push, insight, oauth), true},
		{"oauth with a grant", with(push, oauth, object{"grant": "authorizationCode"}), true},
		{"oauth with all scopes", with(push, oauth, object{"scopes": []string{"all"}}), true},
		{"empty leftovers", with(push, object{"apiKey": "", "oauthClientId": "", "scopes": []string{}}), true},

		{"no name", with(push, object{"name": nil}), false},
		{"blank name", with(push, object{"name": " \t"}), false},
		{"long name", with(push, object{"name": strings.Repeat("n", 101)}), false},
		{"longest name", with(push, object{"name": strings.Repeat("\u00e9", 100)}), true},
		{"name with a control character", with(push, object{"name": "a\u0007b"}), false},
		{"no api type", with(push, object{"apiType": nil}), false},
		{"unknown api type", with(push, object{"apiType": "push"}), false},
		{"no auth type", with(push, object{"authType": nil}), false},
		{"unknown auth type", with(push, object{"authType": "basic"}), false},

		{"no domain", with(push, object{"domain": nil}), false},
		{"pasted address", with(push, object{"domain": " HTTPS://Acme.EU-1.Celonis.Cloud/ui?x=1#/a "}), true},
		{"allowed endpoint", with(push, object{"domain": "127.0.0.1:9000"}), true},
		{"allowed endpoint over https", with(push, object{"domain": "https://127.0.0.1:9000"}), false},
		{"other port of it", with(push, object{"domain": "127.0.0.1:9001"}), false},
		{"look-alike", with(push, object{"domain": "evilcelonis.cloud"}), false},
		{"no realm", with(push, object{"domain": "acme.celonis.cloud"}), false},
		{"encoded name", with(push, object{"domain": "xn--cme-5cd.eu-1.celonis.cloud"}), false},
		{"user-info", with(push, object{"domain": "me:pw@" + host}), false},
		{"port", with(push, object{"domain": host + ":443"}), false},
		{"other scheme", with(push, object{"domain": "ftp://" + host}), false},
		{"inner blank", with(push, object{"domain": "acme .eu-1.celonis.cloud"}), false},

		{"no pool", with(push, object{"poolId": nil}), false},
		{"empty pool", with(push, object{"poolId": ""}), false},
		{"pool in the domain", with(push, object{"poolId": nil, "domain": poolURL}), true},
		{"pool as an address", with(push, object{"poolId": poolURL}), true},
		{"pool in an old address", with(push, object{"poolId": "https://" + host + "/data-pool/" + pool + "?tab=1"}), true},
		{"pool in upper case", with(push, object{"poolId": strings.ToUpper(pool)}), true},
		{"pool that is no id", with(push, object{"poolId": "pool-abc123"}), false},
		{"address without a pool", with(push, object{"poolId": "https://" + host + "/models/" + pool}), false},
		{"pool over another scheme", with(push, object{"poolId": "ftp://" + host + "/pools/" + pool}), false},
		{"pool for intelligence", with(push, insight, object{"poolId": pool}), false},

		{"no app key", with(push, object{"appKey": nil}), false},
		{"empty app key", with(push, object{"appKey": ""}), false},
		{"both keys", with(push, object{"apiKey": key}), false},
		{"the other key", with(push, object{"appKey": nil, "apiKey": key}), false},
		{"masked key", with(push, object{"appKey": "abc***def"}), false},
		{"word for a mask", with(push, object{"appKey": "[Redacted]"}), false},
		{"one character over and over", with(push, object{"appKey": "xxXXxx"}), false},
		{"bullets", with(push, object{"appKey": "\u2022\u2022\u2022\u2022"}), false},
		{"prefix", with(push, object{"appKey": "Bearer abcdef"}), false},
		{"prefix with a colon", with(push, object{"appKey": "AppKey:abcdef"}), false},
		{"whole header", with(push, object{"appKey": "Authorization:abcdef"}), false},
		{"line break in a key", with(push, object{"appKey": "abc\ndef"}), false},
		{"key with blanks around", with(push, object{"appKey": "  " + key + "\n"}), true},

		{"oauth without a client", with(push, oauth, object{"oauthClientId": nil}), false},
		{"oauth without scopes", with(push, oauth, object{"scopes": nil}), false},
		{"oauth with no scopes", with(push, oauth, object{"scopes": []string{}}), false},
		{"unknown scope", with(push, oauth, object{"scopes": []string{"integration.data-pool"}}), false},
		{"unknown grant", with(push, oauth, object{"grant": "password"}), false},
		{"oauth with a key", with(push, oauth, object{"appKey": key}), false},
		{"client with a key", with(push, object{"oauthClientId": "client"}), false},
		{"scopes with a key", with(push, object{"scopes": []string{"all"}}), false},
		{"grant with a key", with(push, object{"grant": "clientCredentials"}), false},

		{"access key", with(push, object{"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": key}), true},
		{"half an access key", with(push, object{"accessKeyId": "AKIAEXAMPLE"}), false},
		{"the other half", with(push, object{"secretAccessKey": key}), false},
		{"access key for intelligence", with(push, insight, object{"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": key}), false},
		{"masked access key", with(push, object{"accessKeyId": "****", "secretAccessKey": key}), false},

		{"http", with(push, http(object{"timeoutSeconds": 30, "concurrency": 20, "requestsPerSecond": 0.1, "retries": 0,
			"headers": []object{{"name": "X-Route", "value": "eu"}, {"name": "User-Agent", "value": "ours/1.0 (a b)"}}})), true},
		{"empty http", with(push, http(object{})), true},
		{"no timeout", with(push, http(object{"timeoutSeconds": 0})), false},
		{"long timeout", with(push, http(object{"timeoutSeconds": 301})), false},
		{"no calls at all", with(push, http(object{"concurrency": 0})), false},
		{"too many calls", with(push, http(object{"concurrency": 21})), false},
		{"too slow", with(push, http(object{"requestsPerSecond": 0.09})), false},
		{"too fast", with(push, http(object{"requestsPerSecond": 20.5})), false},
		{"fewer than no retries", with(push, http(object{"retries": -1})), false},
		{"too many retries", with(push, http(object{"retries": 11})), false},
		{"header without a name", with(push, header("", "v")), false},
		{"header without a value", with(push, header("X-A", "")), false},
		{"header with a blank value", with(push, header("X-A", "  ")), false},
		{"header with a blank in its name", with(push, header("X A", "v")), false},
		{"header with a colon", with(push, header("X-A:", "v")), false},
		{"two lines", with(push, header("X-A", "v\r\nHost: evil")), false},
		{"two lines in a name", with(push, header("X-A\r\nHost", "v")), false},
		{"not ASCII", with(push, header("X-A", "\u00e9")), false},
		{"authorization", with(push, header("AUTHORIZATION", "v")), false},
		{"proxy authorization", with(push, header("Proxy-Authorization", "v")), false},
		{"host", with(push, header("host", "evil.example")), false},
		{"cookie", with(push, header("Cookie", "v")), false},
		{"hop by hop", with(push, header("Transfer-Encoding", "chunked")), false},
		{"length", with(push, header("Content-Length", "0")), false},
		{"secret-looking name", with(push, header("X-Api-Key", "v")), false},
		{"session name", with(push, header("X-My-Session-Id", "v")), false},
		{"token name", with(push, header("X-Vault-TOKEN", "v")), false},
		{"value that logs in", with(push, header("X-A", "bearer abc")), false},
	} {
		var d connections.Draft
		text, err := json.Marshal(c.body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &d), c.name)
		_, err = b.Create(t.Context(), "form "+c.name, d, connections.CreateOptions{SkipTest: true})
		require.Equal(t, c.good, err == nil, "the API on %s: %v", c.name, err)
		if err != nil {
			require.True(t, fault.Has(err, fault.RequestInvalid), c.name)
		}
		err = fits(t, schema, c.body)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", c.name, err)
	}
	require.Error(t, fits(t, schema, with(push, object{"surprise": 1})), "unknown members are refused")
}

func TestOAuthClientFormAgreesWithTheChecks(t *testing.T) {
	t.Parallel()
	s := connections.NewOAuthClientService(connections.OAuthClientDeps{Repository: oauthClients{}, Sealer: keyring(t), Domains: policy(t)})
	schema := compiled(t, connections.OAuthClientForm(policy(t)))
	base := object{"name": "N", "clientId": "id-1", "clientSecret": key, "validDomains": []string{host}, "allowedScopes": []string{"all"}}
	for _, c := range []struct {
		name string
		body object
		good bool
	}{
		{"basic", base, true},
		{"post", with(base, object{"authMethod": "clientSecretPost"}), true},
		{"single scopes", with(base, object{"allowedScopes": []string{"studio", "tasks:read"}}), true},
		{"unknown method", with(base, object{"authMethod": "none"}), false},
		{"no secret", with(base, object{"clientSecret": nil}), false},
		{"mask", with(base, object{"clientSecret": "****"}), false},
		{"no id", with(base, object{"clientId": ""}), false},
		{"blank in the id", with(base, object{"clientId": "a b"}), false},
		{"no domains", with(base, object{"validDomains": []string{}}), false},
		{"no domains at all", with(base, object{"validDomains": nil}), false},
		{"wrong domain", with(base, object{"validDomains": []string{host, "evil.example"}}), false},
		{"no scopes", with(base, object{"allowedScopes": []string{}}), false},
		{"unknown scope", with(base, object{"allowedScopes": []string{"audit.log"}}), false},
	} {
		var d connections.OAuthClientDraft
		text, err := json.Marshal(c.body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &d), c.name)
		_, err = s.Create(t.Context(), workspace, d)
		require.Equal(t, c.good, err == nil, "the API on %s: %v", c.name, err)
		err = fits(t, schema, c.body)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", c.name, err)
	}
}

// ascii reports whether a text is one on which the two dialects of patterns and strings.TrimSpace agree.
func ascii(s string) bool {
	return len(s) <= 300 && !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r == '\v' })
}

// FuzzDomainAndPoolPatterns holds the patterns of the form against the parsers of the API.
func FuzzDomainAndPoolPatterns(f *testing.F) {
	for _, seed := range []string{
		host, " https://ACME.eu-1.celonis.cloud./x\n", "http://" + host + "/pools/" + pool, "127.0.0.1:9000", "http://h:80/pool/" + pool, "https://h:443",
		"h", "[::1]:9001", "acme.celonis.cloud", "xn--a.eu-1.celonis.cloud", "a.xn--b.celonis.cloud", "me@" + host, "ftp://" + host, "a..celonis.cloud",
		"-a.b.celonis.cloud", host + ":443", "evilcelonis.cloud", host + `\@x`, pool, strings.ToUpper(pool), "https://h/data-pools/" + pool + "?a", "h/poolid=" + pool,
		"https://[::1]:9001/#/pools/" + pool, "h/pools/x/pools/" + pool, "h/data-poolid/" + pool, "://" + host, "http:/" + host, host + "/ a",
		":/pools/" + pool, "http:+/pool/" + pool, "http://ftp://h/pools/" + pool, "h/a b/pools/" + pool, "h/pools/" + pool + "/a\tb", "[h]/pools/" + pool, "h:/pools/" + pool,
	} {
		f.Add(seed)
	}
	p := policy(f, "http://127.0.0.1:9000", "https://h", "http://h", "http://[::1]:9001")
	domain := compiled(f, connections.OAuthClientForm(p))
	body := compiled(f, connections.Form(p))
	f.Fuzz(func(t *testing.T, text string) {
		if !ascii(text) {
			t.Skip()
		}
		_, err := p.Parse(text)
		client := object{"name": "N", "clientId": "i", "clientSecret": key, "validDomains": []string{text}, "allowedScopes": []string{"all"}}
		require.Equal(t, err == nil, fits(t, domain, client) == nil, "domain %q: %v", text, err)
		if strings.TrimSpace(text) == "" {
			t.Skip()
		}
		_, err = connections.ParsePoolID(text)
		push := object{"name": "N", "apiType": "dataPush", "domain": host, "authType": "custom", "appKey": key, "poolId": text}
		require.Equal(t, err == nil, fits(t, body, push) == nil, "pool %q: %v", text, err)
	})
}
