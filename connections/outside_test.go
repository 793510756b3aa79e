package connections_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// outsideClients knows an OAuth client of Celonis and one of another system.
type outsideClients struct{ oauthClients }

func (o outsideClients) OAuthClient(ctx context.Context, workspace, id string) (*connections.OAuthClient, error) {
	if id == "other" {
		return &connections.OAuthClient{ID: id, Name: "Other", ClientID: "cid", ValidDomains: []string{"api.example.com", "login.example.com"}, AllowedScopes: []string{"read:orders"}}, nil
	}
	return o.oauthClients.OAuthClient(ctx, workspace, id)
}

// outsideTester notes the targets that it was given.
type outsideTester struct{ targets []connections.OutsideTarget }

func (o *outsideTester) TestOutside(_ context.Context, t connections.OutsideTarget) connections.TestResult {
	o.targets = append(o.targets, t)
	return connections.TestResult{OK: true}
}

func outsideSetup(t testing.TB) (*bundle, *outsideTester, string) {
	t.Helper()
	dir := t.TempDir()
	tester := &outsideTester{}
	b := setup(t, func(d *connections.Deps) {
		d.Domains = policy(t, "http://127.0.0.1:9000", "tcp://10.0.0.7:5432").WithOutside(connections.OutsidePolicy{Public: true, SQLiteDir: dir})
		d.OAuthClients, d.Outside = outsideClients{}, tester
	})
	return b, tester, dir
}

func read(t testing.TB, body object) connections.Draft {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	var d connections.Draft
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

func restAPI(changes ...object) object {
	return with(object{"name": "API", "apiType": "http", "baseUrl": "https://api.example.com/v2", "authType": "bearer", "token": key}, changes...)
}

func database(changes ...object) object {
	return with(object{"name": "DB", "apiType": "sql", "dialect": "postgres", "host": "db.example.com", "database": "sales", "username": "reader", "password": "pa ss\u00e9"}, changes...)
}

func bucket(changes ...object) object {
	return with(object{"name": "S3", "apiType": "s3", "endpoint": "https://s3.example.com", "bucket": "exports", "accessKeyId": "AKIAEXAMPLE", "secretAccessKey": key}, changes...)
}

// TestOutsideDrafts: the checks and the form say the same of every draft.
func TestOutsideDrafts(t *testing.T) {
	t.Parallel()
	b, _, _ := outsideSetup(t)
	schema := compiled(t, connections.Form(policy(t, "http://127.0.0.1:9000").WithOutside(connections.OutsidePolicy{Public: true})))
	none := object{"authType": "none", "token": nil}
	oauth := object{"authType": "oauth2", "token": nil, "oauthClientId": "other", "tokenUrl": "https://login.example.com/token", "scopes": []string{"read:orders"}}
	for name, c := range map[string]struct {
		body object
		// wrong are the faults, "pointer code"; none for a good draft.
		wrong []string
		// formPasses says that only the API finds it.
		formPasses bool
	}{
		"bearer":              {body: restAPI()},
		"none":                {body: restAPI(none)},
		"no auth type":        {body: restAPI(none, object{"authType": nil})},
		"basic":               {body: restAPI(none, object{"authType": "basic", "username": "u", "password": "p w"})},
		"header":              {body: restAPI(none, object{"authType": "header", "headerName": "X-Api-Key", "headerValue": "Token abc"})},
		"authorization":       {body: restAPI(none, object{"authType": "header", "headerName": "Authorization", "headerValue": "SSWS abc"})},
		"oauth":               {body: restAPI(oauth)},
		"oauth without scope": {body: restAPI(oauth, object{"scopes": nil})},
		"http settings":       {body: restAPI(object{"http": object{"retries": 1}, "testPath": "/status?deep=1", "maxRuns": 2})},
		"plain http listed":   {body: restAPI(object{"baseUrl": "http://127.0.0.1:9000/x"})},
		"postgres":            {body: database()},
		"mysql, off":          {body: database(object{"dialect": "mysql", "tls": "off", "password": nil})},
		"listed address":      {body: database(object{"host": "10.0.0.7:5432"})},
		"sqlite":              {body: object{"name": "Lite", "apiType": "sql", "dialect": "sqlite", "database": "sub/sales.db"}},
		"s3":                  {body: bucket(object{"region": "eu-central-1"})},
		"open bucket":         {body: bucket(object{"accessKeyId": nil, "secretAccessKey": nil})},

		"no base url":            {restAPI(object{"baseUrl": nil}), []string{"/baseUrl request.field_missing"}, false},
		"base url with query":    {restAPI(object{"baseUrl": "https://api.example.com?x=1"}), []string{"/baseUrl request.field_invalid"}, false},
		"user name":              {restAPI(object{"baseUrl": "https://u:p@api.example.com"}), []string{"/baseUrl request.field_invalid"}, false},
		"other scheme":           {restAPI(object{"baseUrl": "ftp://api.example.com"}), []string{"/baseUrl request.field_invalid"}, false},
		"plain http":             {restAPI(object{"baseUrl": "http://api.example.com"}), []string{"/baseUrl connection.domain_invalid"}, true},
		"address":                {restAPI(object{"baseUrl": "https://169.254.169.254/x"}), []string{"/baseUrl connection.domain_invalid"}, true},
		"decimal address":        {restAPI(object{"baseUrl": "https://2130706433/"}), []string{"/baseUrl connection.domain_invalid"}, true},
		"one label":              {restAPI(object{"baseUrl": "https://localhost/x"}), []string{"/baseUrl connection.domain_invalid"}, true},
		"dots":                   {restAPI(object{"baseUrl": "https://api.example.com/a/../b"}), []string{"/baseUrl request.field_invalid"}, true},
		"no token":               {restAPI(object{"token": nil}), []string{"/token request.field_missing"}, false},
		"masked token":           {restAPI(object{"token": "****"}), []string{"/token secret.mask"}, false},
		"masked password":        {restAPI(none, object{"authType": "basic", "username": "u", "password": "[redacted]"}), []string{"/password secret.mask"}, false},
		"another login's secret": {restAPI(object{"password": "p"}), []string{"/password request.field_invalid"}, false},
		"celonis's key":          {restAPI(object{"appKey": key}), []string{"/appKey request.field_invalid"}, false},
		"a domain":               {restAPI(object{"domain": host}), []string{"/domain request.field_invalid"}, false},
		"celonis's auth type":    {restAPI(object{"authType": "custom", "token": nil}), []string{"/authType request.field_invalid"}, false},
		"header of the service":  {restAPI(none, object{"authType": "header", "headerName": "Host", "headerValue": "xyz"}), []string{"/headerName request.field_invalid"}, true},
		"two lines":              {restAPI(none, object{"authType": "header", "headerName": "X-Key", "headerValue": "a\r\nb"}), []string{"/headerValue secret.invalid"}, false},
		"test elsewhere":         {restAPI(object{"testPath": "https://evil.example/x"}), []string{"/testPath request.field_invalid"}, true},
		"test above":             {restAPI(object{"testPath": "/../admin"}), []string{"/testPath request.field_invalid"}, true},
		"token url elsewhere":    {restAPI(oauth, object{"tokenUrl": "https://evil.example/token"}), []string{"/tokenUrl oauth_client.domain_not_valid"}, true},
		"base url elsewhere":     {restAPI(oauth, object{"baseUrl": "https://evil.example"}), []string{"/baseUrl oauth_client.domain_not_valid"}, true},
		"scope of nobody":        {restAPI(oauth, object{"scopes": []string{"write"}}), []string{"/scopes/0 oauth.scope_not_allowed"}, true},
		"no token url":           {restAPI(oauth, object{"tokenUrl": nil}), []string{"/tokenUrl request.field_missing"}, false},
		"no dialect":             {database(object{"dialect": nil}), []string{"/dialect request.field_missing"}, false},
		"no database":            {database(object{"database": nil}), []string{"/database request.field_missing"}, false},
		"no host":                {database(object{"host": nil}), []string{"/host request.field_missing"}, false},
		"private host":           {database(object{"host": "10.0.0.8:5432"}), []string{"/host connection.domain_invalid"}, true},
		"host with a path":       {database(object{"host": "db.example.com/x"}), []string{"/host request.field_invalid"}, false},
		"sqlite with a password": {object{"name": "L", "apiType": "sql", "dialect": "sqlite", "database": "x.db", "password": "p"}, []string{"/password request.field_invalid"}, false},
		"sqlite elsewhere":       {object{"name": "L", "apiType": "sql", "dialect": "sqlite", "database": "../x.db"}, []string{"/database request.field_invalid"}, true},
		"sqlite absolute":        {object{"name": "L", "apiType": "sql", "dialect": "sqlite", "database": "/etc/x.db"}, []string{"/database request.field_invalid"}, true},
		"half a key":             {bucket(object{"secretAccessKey": nil}), []string{"/secretAccessKey request.field_missing"}, false},
		"endpoint with a path":   {bucket(object{"endpoint": "https://s3.example.com/exports"}), []string{"/endpoint request.field_invalid"}, true},
		"bucket in capitals":     {bucket(object{"bucket": "Exports"}), []string{"/bucket request.field_invalid"}, false},
		"auth type of a bucket":  {bucket(object{"authType": "none"}), []string{"/authType request.field_invalid"}, false},
		"database of celonis":    {with(object{"name": "N", "apiType": "intelligence", "domain": host, "authType": "token", "apiKey": key, "database": "x"}), []string{"/database request.field_invalid"}, false},
	} {
		body := with(c.body, object{"name": name})
		_, err := b.Create(t.Context(), workspace, read(t, body), connections.CreateOptions{SkipTest: true})
		if len(c.wrong) == 0 {
			require.NoError(t, err, name)
		} else {
			require.Equal(t, c.wrong, pointers(err), "%s: %v", name, err)
		}
		formErr := fits(t, schema, body)
		require.Equal(t, len(c.wrong) == 0 || c.formPasses, formErr == nil, "the form on %s: %v", name, formErr)
	}
}

// TestOutsideWithoutLeave: nothing outside is reached where the operator allows none.
func TestOutsideWithoutLeave(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, body := range map[string]object{
		"/baseUrl": restAPI(), "/host": database(), "/endpoint": bucket(),
		"/database": {"name": "L", "apiType": "sql", "dialect": "sqlite", "database": "x.db"},
	} {
		_, err := b.Create(t.Context(), workspace, read(t, body), connections.CreateOptions{SkipTest: true})
		require.Equal(t, []string{name + " connection.domain_invalid"}, pointers(err))
		require.Contains(t, fault.From(err).Hint, "CONNECTOR_")
	}
}

// TestOutsideSecretsStay: an update may leave secrets out, but they go to no new place.
func TestOutsideSecretsStay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, change object
		again         []string
	}{
		"name":           {restAPI(), object{"name": "Other"}, nil},
		"test path":      {restAPI(), object{"testPath": "/me"}, nil},
		"base url":       {restAPI(), object{"baseUrl": "https://api.example.com/v3"}, []string{"/token connection.secret_required"}},
		"host":           {restAPI(), object{"baseUrl": "https://evil.example"}, []string{"/token connection.secret_required"}},
		"auth type":      {restAPI(), object{"authType": "basic", "username": "u"}, []string{"/password request.field_missing"}},
		"no login":       {restAPI(), object{"authType": "none"}, nil},
		"database":       {database(), object{"database": "other"}, nil},
		"user":           {database(), object{"username": "other"}, nil},
		"port":           {database(), object{"host": "db.example.com:5433"}, []string{"/password connection.secret_required"}},
		"same port":      {database(), object{"host": "db.example.com:5432"}, nil},
		"weaker tls":     {database(), object{"tls": "off"}, []string{"/password connection.secret_required"}},
		"dialect":        {database(), object{"dialect": "mysql"}, []string{"/password connection.secret_required"}},
		"to sqlite":      {database(), object{"dialect": "sqlite", "host": "", "username": "", "tls": "", "database": "a.db"}, nil},
		"endpoint":       {bucket(), object{"endpoint": "https://evil.example"}, []string{"/accessKeyId connection.secret_required", "/secretAccessKey connection.secret_required"}},
		"bucket":         {bucket(), object{"bucket": "other"}, nil},
		"half a new key": {bucket(), object{"secretAccessKey": "another-key"}, nil},
		"another kind":   {restAPI(), object{"apiType": "s3", "endpoint": "https://s3.example.com", "bucket": "exports", "baseUrl": "", "authType": ""}, []string{"/apiType request.field_invalid"}},
	} {
		b, tester, _ := outsideSetup(t)
		made, err := b.Create(t.Context(), workspace, read(t, c.first), connections.CreateOptions{})
		require.NoError(t, err, name)
		draft := made.Draft()
		text, err := json.Marshal(c.change)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &draft))
		changed, err := b.Update(t.Context(), workspace, made.ID, draft, made.Revision)
		if c.again != nil {
			require.Equal(t, c.again, pointers(err), name)
			continue
		}
		require.NoError(t, err, name)
		again, err := b.OutsideTarget(t.Context(), workspace, changed.ID)
		require.NoError(t, err, name)
		require.Equal(t, changed.Revision, again.Revision)
		require.NotEmpty(t, tester.targets)
	}
}

func TestOutsideTarget(t *testing.T) {
	t.Parallel()
	b, tester, dir := outsideSetup(t)
	made, err := b.Create(t.Context(), workspace, read(t, database()), connections.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, connections.Online, made.Status)
	require.Equal(t, "db.example.com:5432", tester.targets[0].Host)
	require.Equal(t, connections.TLSVerify, tester.targets[0].TLS)
	require.Equal(t, "pa ss\u00e9", tester.targets[0].Secret.Reveal())
	require.NotContains(t, made.Secrets[connections.Password].Envelope, "pa ss")

	copied, err := b.Clone(t.Context(), workspace, made.ID, "Copy")
	require.NoError(t, err)
	target, err := b.OutsideTarget(t.Context(), workspace, copied.ID)
	require.NoError(t, err)
	require.Equal(t, "pa ss\u00e9", target.Secret.Reveal())
	require.Len(t, target.Secrets(), 1)
	_, err = b.Target(t.Context(), workspace, made.ID)
	require.True(t, fault.Has(err, fault.ConnectionAPIType))
	push := b.create(t)
	_, err = b.OutsideTarget(t.Context(), workspace, push.ID)
	require.True(t, fault.Has(err, fault.ConnectionAPIType))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.db"), nil, 0o600))
	require.NoError(t, os.Symlink("/etc/hosts", filepath.Join(dir, "out.db")))
	lite, err := b.Create(t.Context(), workspace, read(t, object{"name": "L", "apiType": "sql", "dialect": "sqlite", "database": "a.db"}), connections.CreateOptions{})
	require.NoError(t, err)
	target, err = b.OutsideTarget(t.Context(), workspace, lite.ID)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(target.Database, "/a.db") && filepath.IsAbs(target.Database))
	_, err = b.Create(t.Context(), workspace, read(t, object{"name": "M", "apiType": "sql", "dialect": "sqlite", "database": "out.db"}), connections.CreateOptions{})
	require.Equal(t, []string{"/database connection.domain_invalid"}, pointers(err))
}

// TestOutsideImported: a set-up without secrets comes in keyless, and offline until it gets them.
func TestOutsideImported(t *testing.T) {
	t.Parallel()
	b, _, _ := outsideSetup(t)
	d := read(t, restAPI(object{"token": nil}))
	_, err := b.Check(t.Context(), workspace, "", d)
	require.NoError(t, err)
	made, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{Keyless: true})
	require.NoError(t, err)
	require.Equal(t, connections.Offline, made.Status)
	d.BearerToken = crypto.NewSecret(key)
	made, err = b.Update(t.Context(), workspace, made.ID, d, 0)
	require.NoError(t, err)
	require.Equal(t, connections.Online, made.Status)
}

func TestOAuthClientOfAnotherSystem(t *testing.T) {
	t.Parallel()
	p := policy(t).WithOutside(connections.OutsidePolicy{Public: true})
	s := connections.NewOAuthClientService(connections.OAuthClientDeps{Repository: oauthClients{}, Sealer: keyring(t), Domains: p})
	schema := compiled(t, connections.OAuthClientForm(p))
	base := object{"name": "N", "clientId": "id-1", "clientSecret": key, "validDomains": []string{"login.example.com", "https://api.example.com:8443/x"}, "allowedScopes": []string{"read:orders", "offline_access"}}
	for name, c := range map[string]struct {
		body object
		good bool
	}{
		"own scopes":            {base, true},
		"no scopes":             {with(base, object{"allowedScopes": []string{}}), true},
		"scope with a blank":    {with(base, object{"allowedScopes": []string{"a b"}}), false},
		"with a team":           {with(base, object{"validDomains": []string{"login.example.com", host}}), false},
		"an address":            {with(base, object{"validDomains": []string{"10.0.0.1"}, "allowedScopes": []string{"all"}}), false},
		"team without a scope":  {with(base, object{"validDomains": []string{host}, "allowedScopes": []string{}}), false},
		"team with own a scope": {with(base, object{"validDomains": []string{host}}), false},
	} {
		_, err := s.Create(t.Context(), workspace, func() (d connections.OAuthClientDraft) {
			text, err := json.Marshal(c.body)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &d))
			return d
		}())
		require.Equal(t, c.good, err == nil, "the API on %s: %v", name, err)
		err = fits(t, schema, c.body)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", name, err)
	}
}
