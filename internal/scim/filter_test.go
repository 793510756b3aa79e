package scim_test

import (
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/stretchr/testify/require"
)

func resource(t testing.TB, text string) scim.Resource {
	t.Helper()
	r, err := scim.ParseResource([]byte(text))
	require.NoError(t, err, text)
	return r
}

const person = `{
	"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "2819c223", "externalId": "Ext-1", "userName": "bjensen@example.com", "active": true,
	"displayName": "Babs Jensen", "name": {"familyName": "O'Malley", "givenName": "Barbara"}, "title": "", "age": 41.5, "tags": [],
	"emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}, {"value": "babs@jensen.org", "type": "home"}],
	"meta": {"lastModified": "2011-05-13T04:42:34Z", "resourceType": "User"},
	"urn:celonis:params:scim:schemas:extension:2.0:User": {"role": "ANALYST", "sendEmailOnInvitation": false},
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "manager": {"value": "26118915"}}}`

// The examples of RFC 7644, figure 2, and what stands between their lines.
func TestFilters(t *testing.T) {
	t.Parallel()
	r := resource(t, person)
	for filter, want := range map[string]bool{
		`userName eq "bjensen@example.com"`:                          true,
		`USERNAME EQ "BJENSEN@example.com"`:                          true,
		`name.familyName co "O'Malley"`:                              true,
		`userName sw "b"`:                                            true,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "B"`: true,
		`title pr`:   false,
		`tags pr`:    false,
		`nothing pr`: false,
		`name pr`:    true,
		`meta.lastModified gt "2011-05-13T04:42:33Z"`:        true,
		`meta.lastModified ge "2011-05-13T06:42:34+02:00"`:   true,
		`meta.lastModified lt "2011-05-13T04:42:34.000Z"`:    false,
		`meta.lastModified le "2011-05-13T04:42:34Z"`:        true,
		`title pr and userName eq "bjensen@example.com"`:     false,
		`title pr or userName pr`:                            true,
		`userName pr or title pr and title pr`:               true,
		`(userName pr or title pr) and title pr`:             false,
		`not (title pr)`:                                     true,
		`NOT(userName pr)`:                                   false,
		`emails.type eq "home"`:                              true,
		`emails co "jensen.org"`:                             true,
		`emails[type eq "work" and value co "@example.com"]`: true,
		`emails[type eq "home" and value co "@example.com"]`: false,
		`emails[type eq "home"].value eq "babs@jensen.org"`:  true,
		`emails[not (type eq "work")] and active eq true`:    true,
		`emails[primary eq true]`:                            true,
		`active eq true`:                                     true,
		`active eq "True"`:                                   true,
		`active ne false`:                                    true,
		`age gt 41`:                                          true,
		`age eq 41.50`:                                       true,
		`age eq "41.5"`:                                      false,
		`title eq null`:                                      true,
		`userName eq null`:                                   false,
		`userName ne null`:                                   true,
		`nothing ne "x"`:                                     true,
		`externalId eq "ext-1"`:                              false,
		`externalId eq "Ext-1"`:                              true,
		`id eq "2819C223"`:                                   false,
		`userName ew ".com"`:                                 true,
		`displayName eq "babs\u0020jensen"`:                  true,
		`displayName eq "a \"quoted\" ) ] text"`:             false,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "sales"`: true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value pr`:      true,
		`urn:celonis:params:scim:schemas:extension:2.0:User:role eq "analyst"`:             true,
		`urn:celonis:params:scim:schemas:extension:2.0:User pr`:                            true,
		`urn:x:y:none eq "a"`: false,
		`role eq "ANALYST"`:   true,
	} {
		f, err := scim.ParseFilter(filter)
		require.NoError(t, err, filter)
		require.Equal(t, want, f.Matches(r), filter)
		again, err := scim.ParseFilter(f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, f.String(), again.String())
		require.Equal(t, want, again.Matches(r), f.String())
	}
}

func TestFiltersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{
		``, ` `, `userName`, `userName eq`, `userName xx "a"`, `eq "a"`, `userName eq a`, `userName eq 'a'`, `userName eq "a`, `userName eq "\x"`,
		`userName eq "a" and`, `and userName pr`, `(userName pr`, `userName pr)`, `userName pr userName pr`, `emails[type eq "a"`, `emails[]`, `emails[type eq "a"]]`,
		`not userName pr`, `active gt true`, `active co true`, `age sw 4`, `a..b pr`, `a.b.c pr`, `1a pr`, `urn:x pr`, `userName eq {}`, `userName eq 01`,
		strings.Repeat("(", scim.MaxFilterDepth+1) + "a pr" + strings.Repeat(")", scim.MaxFilterDepth+1), strings.Repeat("a", scim.MaxFilter) + " pr",
	} {
		_, err := scim.ParseFilter(filter)
		require.Error(t, err, filter)
		require.Equal(t, fault.ScimFilter, fault.CodeOf(err), filter)
		require.Equal(t, "invalidFilter", scim.TypeOf(fault.CodeOf(err)))
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	f, err := scim.ParseFilter(`userName eq "a"`)
	require.NoError(t, err)
	attribute, text, ok := f.Lookup()
	require.Equal(t, []any{"userName", "a", true}, []any{attribute, text, ok})
	for _, other := range []string{`userName sw "a"`, `userName eq true`, `name.givenName eq "a"`, `a pr`, `a eq "b" and c eq "d"`} {
		f, err := scim.ParseFilter(other)
		require.NoError(t, err)
		_, _, ok := f.Lookup()
		require.False(t, ok, other)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		`members`, `name.familyName`, `addresses[type eq "work"]`, `members[value eq "2819c223-7f76-453a-919d-413861904646"]`,
		`members[value eq "a"].display`, `urn:celonis:params:scim:schemas:extension:2.0:User:role`, `urn:celonis:params:scim:schemas:extension:2.0:User`,
		`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName`, `emails[type eq "a" and not (value pr)].value`, `$ref`,
	} {
		p, err := scim.ParsePath(path)
		require.NoError(t, err, path)
		require.Equal(t, path, p.String())
	}
	for path, code := range map[string]fault.Code{
		``: fault.ScimPath, `a b`: fault.ScimPath, `a.`: fault.ScimPath, `.a`: fault.ScimPath, `a.b.c`: fault.ScimPath, `a[b pr]x`: fault.ScimPath, `a[b pr].`: fault.ScimPath,
		`a[b pr].c.d`: fault.ScimPath, `a.b[c pr]`: fault.ScimPath, `9`: fault.ScimPath, `"a"`: fault.ScimPath, `urn:`: fault.ScimPath, strings.Repeat("a", scim.MaxFilter+1): fault.ScimPath,
		`a[`: fault.ScimFilter, `a[b]`: fault.ScimFilter, `a[b eq]`: fault.ScimFilter, `a[b pr`: fault.ScimFilter,
	} {
		_, err := scim.ParsePath(path)
		require.Equal(t, code, fault.CodeOf(err), path)
	}
}
