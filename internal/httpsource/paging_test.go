package httpsource_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// TestEveryRecordOnce: whatever the number of records and the size of pages,
// every way of paging gives each record once, as it stands in the answer.
func TestEveryRecordOnce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	for name, export := range ways() {
		sizes := [][2]int{{0, 3}, {1, 1}, {1, 3}, {3, 3}, {6, 3}, {7, 3}, {10, 100}, {14, 7}, {15, 5}}
		for range 6 {
			sizes = append(sizes, [2]int{random.IntN(60), 1 + random.IntN(12)})
		}
		for _, s := range sizes {
			t.Run(fmt.Sprintf("%s/%d by %d", name, s[0], s[1]), func(t *testing.T) {
				t.Parallel()
				got := against(t, &api{n: s[0], size: s[1]}, export).mustRead()
				require.Equal(t, wanted(s[0]), append([]string{}, got...))
			})
		}
	}
}

// TestFaultsOnTheWay: with answers cut off, 429s and 503s between the pages, still every record comes once.
func TestFaultsOnTheWay(t *testing.T) {
	t.Parallel()
	for name, export := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &api{n: 23, size: 5}
			server.before = func(call int, w http.ResponseWriter, _ *http.Request) bool {
				switch call % 4 {
				case 1:
					w.Header().Set("Retry-After", "2")
					w.WriteHeader(http.StatusTooManyRequests)
				case 2:
					w.Header().Set("Content-Length", "4000")
					_, _ = w.Write([]byte(`{"data":{"items":[` + string(record(0)) + `,{"id":`))
					panic(http.ErrAbortHandler)
				case 3:
					w.WriteHeader(http.StatusBadGateway)
				default:
					return false
				}
				return true
			}
			r := against(t, server, export)
			require.Equal(t, wanted(23), r.mustRead())
			require.NotEmpty(t, r.waits)
		})
	}
}

func TestLoops(t *testing.T) {
	t.Parallel()
	page := `{"data":{"items":[{"id":1}]},"token":"same","next":"/list?token=1"}`
	for name, c := range map[string]struct {
		paging flows.Paging
		answer func(call int) string
	}{
		"the same token":   {flows.Paging{Type: flows.PagingToken, TokenParam: "token", TokenPath: "/token"}, func(n int) string { return fmt.Sprintf(`{"data":{"items":[{"id":%d}]},"token":"same"}`, n) }},
		"tokens in a ring": {flows.Paging{Type: flows.PagingToken, TokenParam: "token", TokenPath: "/token"}, func(n int) string { return fmt.Sprintf(`{"data":{"items":[{"id":%d}]},"token":"t%d"}`, n, n%3) }},
		"the same url":     {flows.Paging{Type: flows.PagingNextURL, NextURLPath: "/next"}, func(n int) string { return fmt.Sprintf(`{"data":{"items":[{"id":%d}]},"next":"/list?token=1"}`, n) }},
		"the first url":    {flows.Paging{Type: flows.PagingNextURL, NextURLPath: "/next"}, func(n int) string { return fmt.Sprintf(`{"data":{"items":[{"id":%d}]},"next":"/list"}`, n) }},
		"a page ignored":   {flows.Paging{Type: flows.PagingPage, PageParam: "page"}, func(int) string { return page }},
		"offset ignored":   {flows.Paging{Type: flows.PagingOffset, OffsetParam: "offset", SizeParam: "size", PageSize: 1}, func(int) string { return page }},
		"back to the first": {flows.Paging{Type: flows.PagingPage, PageParam: "page"}, func(n int) string {
			return fmt.Sprintf(`{"data":{"items":[{"id":%d}]}}`, n%3)
		}},
		"another token, the same page": {flows.Paging{Type: flows.PagingToken, TokenParam: "nope", TokenPath: "/token"}, func(n int) string { return fmt.Sprintf(`{"data":{"items":[{"id":1}]},"token":"t%d"}`, n) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := 0
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				call++
				fmt.Fprint(w, c.answer(call))
			})
			_, _, err := against(t, h, flows.Export{Request: &flows.HTTPRequest{URL: "list"}, ItemsPath: "/data/items", Paging: &c.paging}).read()
			require.True(t, fault.Has(err, fault.SourceCursorLoop), "%v", err)
			require.LessOrEqual(t, call, 5)
		})
	}
}

func TestEndsOfPaging(t *testing.T) {
	t.Parallel()
	items := func(n, from int) string {
		text := ""
		for i := range n {
			text += fmt.Sprintf(`,{"id":%d}`, from+i)
		}
		if text == "" {
			return "[]"
		}
		return "[" + text[1:] + "]"
	}
	for name, c := range map[string]struct {
		paging flows.Paging
		pages  []string
		want   int
		code   fault.Code
	}{
		"a total that is a page's": {flows.Paging{Type: flows.PagingPage, PageParam: "page", TotalPath: "/total"},
			[]string{`{"total":2,"items":` + items(2, 0) + `}`, `{"total":2,"items":` + items(2, 2) + `}`, `{"total":0,"items":[]}`}, 4, ""},
		"a total too high": {flows.Paging{Type: flows.PagingOffset, OffsetParam: "offset", TotalPath: "/total"},
			[]string{`{"total":99,"items":` + items(2, 0) + `}`, `{"total":99,"items":[]}`}, 2, ""},
		"a total that is no number": {flows.Paging{Type: flows.PagingPage, PageParam: "page", TotalPath: "/total"},
			[]string{`{"total":"many","items":` + items(2, 0) + `}`, `{"items":[]}`}, 2, ""},
		"a short page": {flows.Paging{Type: flows.PagingPage, PageParam: "page", PageSize: 2},
			[]string{`{"items":` + items(2, 0) + `}`, `{"items":` + items(1, 2) + `}`}, 3, ""},
		"more, and no token": {flows.Paging{Type: flows.PagingToken, TokenParam: "t", TokenPath: "/token", HasMorePath: "/more"},
			[]string{`{"more":true,"items":` + items(2, 0) + `}`}, 2, fault.SourceFormat},
		"no more, and a token": {flows.Paging{Type: flows.PagingToken, TokenParam: "t", TokenPath: "/token", HasMorePath: "/more"},
			[]string{`{"more":"false","token":"x","items":` + items(2, 0) + `}`}, 2, ""},
		"an empty page with a token": {flows.Paging{Type: flows.PagingToken, TokenParam: "t", TokenPath: "/token"},
			[]string{`{"token":"a","items":[]}`, `{"items":` + items(2, 0) + `}`}, 2, ""},
		"too many pages": {flows.Paging{Type: flows.PagingPage, PageParam: "page", MaxPages: 2},
			[]string{`{"items":` + items(2, 0) + `}`, `{"items":` + items(2, 2) + `}`}, 4, fault.SourceTooManyPages},
		"the token of the last record": {flows.Paging{Type: flows.PagingToken, TokenParam: "after", TokenPath: "/items/-/id"},
			[]string{`{"items":` + items(2, 0) + `}`, `{"items":` + items(2, 2) + `}`, `{"items":[]}`}, 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := 0
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, c.pages[min(call, len(c.pages)-1)])
				call++
			})
			got, _, err := against(t, h, flows.Export{Request: &flows.HTTPRequest{URL: "list"}, ItemsPath: "/items", Paging: &c.paging}).read()
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.Len(t, got, c.want)
			require.Equal(t, len(c.pages), call)
		})
	}
}

// TestNextPageElsewhere: the login is sent nowhere but below the connection's base URL.
func TestNextPageElsewhere(t *testing.T) {
	t.Parallel()
	for _, next := range []string{
		"https://evil.example/list", "//evil.example/list", "http://user@127.0.0.1/list", "ftp://x/", "http://127.0.0.1:1/list", "/other/list", "/api/../list", "/api/%2e%2e/list", `/api/..\..\list`,
	} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			calls := 0
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				fmt.Fprintf(w, `{"items":[{"id":%d}],"next":%q}`, calls, next)
			})
			r := against(t, h, flows.Export{ItemsPath: "/items", Paging: &flows.Paging{Type: flows.PagingNextURL, NextURLPath: "/next"}})
			target := r.config.Target
			target.BaseURL += "/api"
			r.as(target)
			_, _, err := r.read()
			require.True(t, fault.Has(err, fault.SourceNextURL), "%v", err)
			require.Equal(t, 1, calls)
		})
	}
}
