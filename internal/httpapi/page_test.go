package httpapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
)

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const total = 7
	s.connections.list = func(p connections.Page) (items []connections.Connection, err error) {
		for i := range total {
			c := aConnection()
			c.ID = fmt.Sprintf("id-%d", i)
			if c.ID > p.After && len(items) < p.Limit {
				items = append(items, *c)
			}
		}
		return items, nil
	}
	for _, limit := range []int{1, 3, total - 1, total, total + 1, 200} {
		var seen []string
		cursor, pages := "", 0
		for {
			res := s.ask("GET /v1/connections?limit="+strconv.Itoa(limit)+cursor, "")
			require.Equal(t, http.StatusOK, res.status, res.body)
			pages++
			m := res.json(t)
			for _, item := range m["items"].([]any) {
				seen = append(seen, item.(map[string]any)["id"].(string))
			}
			if m["next"] == nil {
				break
			}
			cursor = "&cursor=" + m["next"].(string)
		}
		require.Len(t, seen, total, "limit %d", limit)
		require.IsIncreasing(t, seen)
		require.Equal(t, (total+limit-1)/limit, pages, "no empty part at the end")
	}
}

func TestListParameters(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var asked flows.Page
	s.flows.runs = func(p flows.Page) ([]flows.Run, error) { asked = p; return nil, nil }
	res := s.ask("GET /v1/flows/"+flowID+"/runs", "")
	require.JSONEq(t, `{"items":[],"next":null}`, res.body)
	require.Equal(t, flows.Page{Limit: 51}, asked)
	require.Equal(t, http.StatusOK, s.ask("GET /v1/flows/"+flowID+"/runs", "").status)

	for _, list := range []string{"/v1/connections", "/v1/flows", "/v1/flows/" + flowID + "/runs", "/v1/flows/" + flowID + "/errors"} {
		require.Equal(t, http.StatusOK, s.ask("GET "+list, "").status)
		for _, limit := range []string{"0", "-1", "201", "x", "1.5", "99999999999999999999"} {
			p := s.ask("GET "+list+"?limit="+limit, "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
			require.Contains(t, p.Detail, "200")
		}
		for _, cursor := range []string{"!", "abc=", "AAAA", "YSBi", "L2V0Yy9wYXNzd2Q"} {
			s.ask("GET "+list+"?cursor="+cursor, "").requireProblem(t, http.StatusBadRequest, "request.bad_cursor")
		}
	}
}
