package celonis_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// scripted answers the requests one after the other and notes them.
func scripted(t testing.TB, bodies ...string) (*celonis.Client, *[]string) {
	t.Helper()
	var asked []string
	return newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.RequestURI())
		require.NotEmpty(t, bodies, "one request too many: %s", r.URL)
		body := bodies[0]
		bodies = bodies[1:]
		if body == "" {
			return answer(r, http.StatusNoContent, "", ""), nil
		}
		return answer(r, http.StatusOK, "application/json", body), nil
	})}), &asked
}

func gather(into *[]string) func(json.RawMessage) error {
	return func(record json.RawMessage) error {
		*into = append(*into, string(record))
		return nil
	}
}

func TestAuditLogAsDocumented(t *testing.T) {
	t.Parallel()
	period := celonis.Period{From: time.Date(2022, 1, 1, 9, 0, 0, 5e8, time.UTC), To: time.Date(2022, 1, 2, 9, 0, 0, 1, time.UTC)}
	t.Run("v1", func(t *testing.T) {
		t.Parallel()
		c, asked := scripted(t,
			`{"content":[{"n":1},{"n":2}],"pageSize":2,"pageNumber":0,"totalCount":3}`,
			`{"content":[{"n":3}],"pageSize":"2","pageNumber":"1","totalCount":"3"}`)
		var got []string
		told, err := c.AuditLog(t.Context(), celonis.Version1, period, gather(&got))
		require.NoError(t, err)
		require.Equal(t, celonis.Told{Records: 3, Total: 3}, told)
		require.Equal(t, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}, got)
		require.Equal(t, "/log/api/external/audit?from=2022-01-01T09%3A00%3A00&pageNumber=0&pageSize=200&to=2022-01-02T09%3A00%3A01", (*asked)[0])
	})
	t.Run("v2", func(t *testing.T) {
		t.Parallel()
		c, asked := scripted(t, `{"content":[{"n":1}],"nextPageToken":"a/b"}`, `{"content":[],"nextPageToken":"c"}`, `{"content":[{"n":2}],"nextPageToken":null}`)
		var got []string
		_, err := c.AuditLog(t.Context(), celonis.Version2, celonis.Period{}, gather(&got))
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, []string{"/log/api/external/v2/audit", "/log/api/external/v2/audit?pageToken=a%2Fb", "/log/api/external/v2/audit?pageToken=c"}, *asked)
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		c, _ := scripted(t, "")
		told, err := c.LoginHistory(t.Context(), period, gather(new([]string)))
		require.NoError(t, err)
		require.Zero(t, told.Records)
	})
	t.Run("no page", func(t *testing.T) {
		t.Parallel()
		c, _ := scripted(t, `{"items":[]}`)
		_, err := c.LoginHistory(t.Context(), period, gather(new([]string)))
		require.True(t, fault.Has(err, fault.CelonisAnswer), "%v", err)
	})
	t.Run("a short page in the middle", func(t *testing.T) {
		t.Parallel()
		c, _ := scripted(t, `{"content":[{"n":1}],"pageSize":200,"totalCount":2}`, `{"content":[{"n":2}],"pageSize":200,"totalCount":2}`)
		told, err := c.LoginHistory(t.Context(), period, gather(new([]string)))
		require.NoError(t, err)
		require.EqualValues(t, 2, told.Records)
	})
}

func TestMembersAreMadeReadable(t *testing.T) {
	t.Parallel()
	c, asked := scripted(t, `{"content":[
		{"userId":"1","nameAndEmail":"Ada (Countess) (ada@example.com)","lastLogin":"12/31/2025, 11:59:59 PM UTC"},
		{"userId":"2","nameAndEmail":"nobody","lastLogin":"last week"},
		{"userId":"3","lastLogin":null}],"pageNumber":0,"pageSize":200,"totalCount":3}`)
	var got []string
	_, err := c.Members(t.Context(), false, gather(&got))
	require.NoError(t, err)
	require.Equal(t, "/api/external/members?includeInternal=false&pageNumber=0&pageSize=200", (*asked)[0])
	require.JSONEq(t, `{"userId":"1","name":"Ada (Countess)","email":"ada@example.com","nameAndEmail":"Ada (Countess) (ada@example.com)","lastLogin":"2025-12-31T23:59:59Z"}`, got[0])
	require.JSONEq(t, `{"userId":"2","nameAndEmail":"nobody","lastLogin":"last week"}`, got[1])
	require.JSONEq(t, `{"userId":"3","lastLogin":null}`, got[2])
}

func TestPermissionsOfAnyForm(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct {
		records int
		code    fault.Code
	}{
		`{"permissions":[{"role":"a"},{"role":"b"}],"more":{"x":[1]}}`: {2, ""}, `{"permissions":null}`: {0, ""}, "": {0, ""},
		`{"rights":[]}`: {0, fault.CelonisAnswer}, `[]`: {0, fault.CelonisAnswer}, `{"permissions":[{"role":"a"},`: {1, fault.CelonisAnswer},
	} {
		client, _ := scripted(t, body)
		told, err := client.Permissions(t.Context(), gather(new([]string)))
		require.EqualValues(t, c.records, told.Records, body)
		if c.code == "" {
			require.NoError(t, err, body)
			continue
		}
		require.Truef(t, fault.Has(err, c.code), "%s: %v", body, err)
	}
}

func TestToolsInEvents(t *testing.T) {
	t.Parallel()
	c, asked := scripted(t, "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\",\"title\":null}],\"nextCursor\":\"n\"}}\r\n\r\n",
		`{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"b"}]}}`)
	tools, err := c.Tools(t.Context(), "pkg/asset", true)
	require.NoError(t, err)
	require.Len(t, tools, 2)
	require.Equal(t, "/studio-copilot/api/v1/mcp-servers/mcp/pkg%2Fasset?draft=true", (*asked)[0])

	c, _ = scripted(t, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}`)
	_, err = c.Tools(t.Context(), "a", false)
	require.ErrorContains(t, err, "Method not found")
}

func TestPermissionsWithAKey(t *testing.T) {
	t.Parallel()
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		return answer(r, http.StatusForbidden, "application/json", `{"title":"Access Denied.","status":403,"detail":"no","errorCode":"ADMIN_ACCESS_ERROR"}`), nil
	})})
	_, err := c.Permissions(t.Context(), gather(new([]string)))
	require.True(t, fault.Has(err, fault.CelonisForbidden))
	require.Contains(t, fault.From(err).Hint, "authorization.permissions:read")
}
