package scim_test

import (
	"bytes"
	"encoding/json"
	"os"
	process "os/exec"
	"path/filepath"
	"testing"

	"github.com/celonis-connector/connector/internal/scim"
	"github.com/stretchr/testify/require"
)

// foreignFilter is a filter with what we make of it.
type foreignFilter struct {
	Filter   string        `json:"filter"`
	Resource scim.Resource `json:"resource"`
	Matches  bool          `json:"matches"`
	Refused  bool          `json:"refused"`
}

type foreignPatch struct {
	Resource   json.RawMessage `json:"resource"`
	Operations json.RawMessage `json:"operations"`
	Result     json.RawMessage `json:"result"`
}

// TestLibrariesOfOtherHouses holds our filters and patches beside those of
// scim2-parse-filter and scim-patch from npm. What these read otherwise than
// RFC 7644 stands in the tables of TestFilters and TestPatchOfUsers alone: an
// empty text is not present, one element must fit the whole of a filter in
// brackets, and replacing a complex attribute keeps the parts that are not named.
func TestLibrariesOfOtherHouses(t *testing.T) {
	t.Parallel()
	node, err := process.LookPath("node")
	if err != nil {
		t.Skip("skipped: node is not on this machine")
	}
	npm, err := process.LookPath("npm")
	if err != nil {
		t.Skip("skipped: npm is not on this machine")
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "check.mjs"} {
		data, err := os.ReadFile(filepath.Join("foreign", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	install := process.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("skipped: the npm registry cannot be reached: %v\n%s", err, out)
	}
	cases, err := json.Marshal(map[string]any{"filters": foreignFilters(t), "patches": foreignPatches(t)})
	require.NoError(t, err)
	check := process.CommandContext(t.Context(), node, "check.mjs")
	check.Dir, check.Stdin = folder, bytes.NewReader(cases)
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "complete")
}

func foreignFilters(t *testing.T) (list []foreignFilter) {
	r := resource(t, person)
	for _, text := range []string{
		`userName eq "bjensen@example.com"`, `userName ne "bjensen@example.com"`, `name.familyName co "Malley"`, `userName sw "bj"`, `userName ew ".com"`,
		`displayName eq "Babs Jensen" and active eq true`, `displayName eq "x" or active eq true`, `displayName eq "x" or active eq true and nothing pr`,
		`(displayName eq "x" or active eq true) and userName pr`, `not (displayName eq "x")`, `not (active eq true) or userName pr`, `nothing pr`, `name pr`,
		`emails[type eq "work" and value co "@example.com"]`, `emails[type eq "other"]`,
		`emails.type eq "home"`, `age gt 41`, `age le 41`, `age ge 41.5`, `active eq false`, `meta.lastModified gt "2011-05-13T04:42:33Z"`, `meta.lastModified lt "2011-05-13T04:42:33Z"`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Sales"`,
	} {
		f, err := scim.ParseFilter(text)
		require.NoError(t, err)
		list = append(list, foreignFilter{Filter: text, Resource: r, Matches: f.Matches(r)})
	}
	for _, text := range []string{`userName eq`, `userName xx "a"`, `(userName pr`, `emails[type eq "a"`, `userName pr and`, `userName eq a"b`} {
		_, err := scim.ParseFilter(text)
		require.Error(t, err)
		list = append(list, foreignFilter{Filter: text, Resource: r, Refused: true})
	}
	return list
}

func foreignPatches(t *testing.T) (list []foreignPatch) {
	const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:celonis:params:scim:schemas:extension:2.0:User"],"id":"u1","userName":"ann@example.com","displayName":"Ann","active":true,"name":{"givenName":"Ann","familyName":"E"},"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"MEMBER"}}`
	const group = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","urn:celonis:params:scim:schemas:extension:2.0:Group"],"id":"g1","displayName":"Buyers","members":[{"value":"u1","display":"Ann"},{"value":"u2"}]}`
	for _, c := range []struct {
		kind             scim.Kind
		body, operations string
	}{
		{scim.KindUser, user, `[{"op":"replace","path":"active","value":false}]`},
		{scim.KindUser, user, `[{"op":"Replace","path":"displayName","value":"Anna"}]`},
		{scim.KindUser, user, `[{"op":"replace","value":{"displayName":"Anna","active":false}}]`},
		{scim.KindUser, user, `[{"op":"Add","value":{"externalId":"x"}}]`},
		{scim.KindUser, user, `[{"op":"replace","path":"name.familyName","value":"F"}]`},
		{scim.KindUser, user, `[{"op":"add","path":"name","value":{"middleName":"M"}}]`},
		{scim.KindUser, user, `[{"op":"remove","path":"displayName"}]`},
		{scim.KindUser, user, `[{"op":"remove","path":"name.givenName"}]`},
		{scim.KindUser, user, `[{"op":"replace","path":"urn:celonis:params:scim:schemas:extension:2.0:User:role","value":"ADMIN"}]`},
		{scim.KindGroup, group, `[{"op":"add","path":"members","value":[{"value":"u3"}]}]`},
		{scim.KindGroup, group, `[{"op":"add","path":"members","value":[{"value":"u2"}]}]`},
		{scim.KindGroup, group, `[{"op":"Remove","path":"members[value eq \"u1\"]"}]`},
		{scim.KindGroup, group, `[{"op":"remove","path":"members","value":[{"value":"u2"}]}]`},
		{scim.KindGroup, group, `[{"op":"replace","path":"members","value":[{"value":"u9"}]}]`},
		{scim.KindGroup, group, `[{"op":"replace","path":"members[value eq \"u2\"].display","value":"B"}]`},
		{scim.KindGroup, group, `[{"op":"replace","path":"displayName","value":"B"},{"op":"add","path":"members","value":[{"value":"u3"},{"value":"u4"}]}]`},
	} {
		p, err := scim.ParsePatch([]byte(`{"Operations":` + c.operations + `}`))
		require.NoError(t, err)
		out, err := scim.Apply(c.kind, resource(t, c.body), p)
		require.NoError(t, err)
		result, err := json.Marshal(map[string]any(out))
		require.NoError(t, err)
		list = append(list, foreignPatch{json.RawMessage(c.body), json.RawMessage(c.operations), result})
	}
	return list
}
