package outside_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	clock := gofakes3.FixedTimeSource(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	backend := s3mem.New(s3mem.WithTimeSource(clock))
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	require.NoError(t, backend.CreateBucket("exports"))
	put := func(key, body string) {
		_, err := backend.PutObject("exports", key, map[string]string{"Last-Modified": clock.Now().Format(http.TimeFormat)}, strings.NewReader(body), int64(len(body)), nil)
		require.NoError(t, err)
	}
	for i := range 1205 {
		put(fmt.Sprintf("many/%04d.csv", i), "x")
	}
	put("in/b.csv", "b,b\n")
	put("in/a.csv", "a,a\n")
	put("in/folder/", "")
	clock.Advance(time.Minute)
	put("in/0.csv", "later")

	l := logins(t)
	target := connections.OutsideTarget{APIType: connections.S3, AccessKeyID: crypto.NewSecret("AK"), SecretAccessKey: crypto.NewSecret("SK"),
		Outside: connections.Outside{Endpoint: server.URL, Region: "us-east-1", Bucket: "exports"}}
	bucket, err := l.Bucket(target)
	require.NoError(t, err)
	all := func(outside.Object) bool { return true }
	found, err := bucket.List(t.Context(), "in/", all)
	require.NoError(t, err)
	var keys []string
	for _, o := range found {
		keys = append(keys, o.Key)
	}
	require.Equal(t, []string{"in/a.csv", "in/b.csv", "in/0.csv"}, keys, "by time, then by key")
	since, err := bucket.List(t.Context(), "in/", func(o outside.Object) bool { return o.After(found[0].Modified, found[0].Key) })
	require.NoError(t, err)
	require.Len(t, since, 2)
	many, err := bucket.List(t.Context(), "many/", all)
	require.NoError(t, err)
	require.Len(t, many, 1205)

	f, err := os.CreateTemp(t.TempDir(), "f")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	n, err := outside.Download{Open: bucket.Open(found[2]), What: "in/0.csv", Most: 100, Records: true, Now: time.Now}.To(t.Context(), f, 0)
	require.NoError(t, err)
	require.Equal(t, int64(5), n)

	tester := &outside.Tester{Logins: l, Now: time.Now}
	require.Equal(t, "dns tls auth bucket ok", told(tester.TestOutside(t.Context(), target)))
	target.Bucket = "nothing"
	require.Equal(t, "dns tls auth bucket source.not_found", told(tester.TestOutside(t.Context(), target)))
	other, err := l.Bucket(target)
	require.NoError(t, err)
	_, err = other.List(t.Context(), "", all)
	require.Equal(t, fault.SourceNotFound, fault.CodeOf(err))
}
