package scim_test

import (
	"encoding/json"
	"testing"

	"github.com/celonis-connector/connector/internal/scim"
	"github.com/stretchr/testify/require"
)

// FuzzFilter: what is read is written so that the same is read, and matching never fails.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "bjensen"`, `emails[type eq "work" and value co "@x"].value pr`, `not (a pr) or b gt 1.5e3 and c eq null`, `urn:a:b:2.0:User:x.y sw "\u0041"`, `((a pr))`, `a eq "`, `active eq TRUE`,
	} {
		f.Add(seed)
	}
	r := resource(f, person)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := scim.ParseFilter(text)
		if err != nil {
			return
		}
		again, err := scim.ParseFilter(filter.String())
		if err != nil {
			require.Greater(t, len(filter.String()), scim.MaxFilter, "%q became %q: %v", text, filter, err)
			return
		}
		require.Equal(t, filter.String(), again.String())
		require.Equal(t, filter.Matches(r), again.Matches(r), text)
	})
}

// FuzzPath: what is read is written so that the same is read.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{`members`, `members[value eq "a"].display`, `urn:celonis:params:scim:schemas:extension:2.0:User:role`, `name.givenName`, `a[b[c pr]]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := scim.ParsePath(text)
		if err != nil {
			return
		}
		again, err := scim.ParsePath(path.String())
		if err != nil {
			require.Greater(t, len(path.String()), scim.MaxFilter, "%q became %q: %v", text, path, err)
			return
		}
		require.Equal(t, path.String(), again.String())
	})
}

// FuzzPatch: applying never fails but with a fault, leaves what it was given as it is, and gives JSON.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{"Operations":[{"op":"Add","path":"members","value":[{"value":"u3"}]}]}`, `{"Operations":[{"op":"Remove","path":"members[value eq \"u1\"]"}]}`,
		`{"Operations":[{"op":"replace","value":{"displayName":"x","members.display":"y","urn:celonis:params:scim:schemas:extension:2.0:Group:role":"ADMIN"}}]}`,
		`{"Operations":[{"op":"add","path":"urn:celonis:params:scim:schemas:extension:2.0:Group","value":{"role":"member"}},{"op":"remove","path":"role"}]}`,
		`{"Operations":[{"op":"add","path":"members[value eq \"u9\" and type eq \"User\"].display","value":"x"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := scim.ParsePatch(body)
		if err != nil {
			return
		}
		_, _ = p.Names(), p.Check(scim.KindUser)
		for kind, text := range map[scim.Kind]string{scim.KindUser: patchedUser, scim.KindGroup: patchedGroup} {
			r := resource(t, text)
			before := r.Clone()
			out, err := scim.Apply(kind, r, p)
			require.Equal(t, before, r)
			if err != nil {
				continue
			}
			written, err := json.Marshal(map[string]any(out))
			require.NoError(t, err)
			require.NotEmpty(t, out.Text("id"))
			_, err = scim.ParseResource(written)
			require.NoError(t, err)
			_ = scim.Validate(kind, out)
		}
	})
}

// FuzzResource: what is normal stays as it is, and users and groups come back as they were.
func FuzzResource(f *testing.F) {
	for _, seed := range []string{person, patchedUser, patchedGroup, `{"userName":"a@b.c","name.givenName":"x","role":"admin"}`, `{"displayName":["g"],"members":["u1",{"value":"u2"}],"meta":{"created":"2020-01-01T00:00:00Z"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := scim.ParseResource(body)
		if err != nil {
			return
		}
		for _, kind := range []scim.Kind{scim.KindUser, scim.KindGroup} {
			normal, err := scim.Normalize(kind, r)
			if err != nil {
				continue
			}
			_ = scim.Validate(kind, normal)
			again, err := scim.Normalize(kind, normal)
			require.NoError(t, err)
			require.Equal(t, normal, again)
		}
		once := scim.UserFrom(r).Resource(scim.Both)
		require.Equal(t, once, scim.UserFrom(once).Resource(scim.Both))
		group := scim.GroupFrom(r).Resource(scim.UnderURN)
		require.Equal(t, group, scim.GroupFrom(group).Resource(scim.UnderURN))
	})
}
