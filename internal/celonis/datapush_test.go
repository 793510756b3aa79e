package celonis_test

import (
	"bytes"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestPushLife(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*celonissim.Options){
		"both prefixes":   func(*celonissim.Options) {},
		"new prefix only": func(o *celonissim.Options) { o.Answers.NoOldPath = true },
		"old prefix only": func(o *celonissim.Options) { o.Answers.NoNewPath = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := startSim(t, change), t.Context()
			job, err := s.push.CreateJob(ctx, csvSpec("ORDERS"))
			require.NoError(t, err)
			require.Equal(t, celonis.JobNew, job.Status)
			require.Equal(t, "ORDERS", job.Table)
			require.Equal(t, celonis.CSV, job.FileType)
			require.NoError(t, s.push.UploadChunk(ctx, job.ID, csvChunk(twoRows)))
			require.NoError(t, s.push.UploadChunk(ctx, job.ID, csvChunk("c,3,\n")))
			chunks, err := s.push.Chunks(ctx, job.ID)
			require.NoError(t, err)
			require.Len(t, chunks, 2)
			require.Equal(t, celonis.Upsert, chunks[0].Kind)
			require.False(t, chunks[0].CreatedAt.IsZero())
			_, exists := s.Table(poolID, "ORDERS")
			require.False(t, exists, "nothing is visible before the submit")

			// Another process goes on with the job: it knows no prefix yet.
			later := s.newClient().DataPush(poolID)
			submitted, err := later.Submit(ctx, job.ID)
			require.NoError(t, err)
			require.Equal(t, job.ID, submitted.ID)
			s.ends("DONE")
			done, err := later.Job(ctx, job.ID)
			require.NoError(t, err)
			require.Equal(t, celonis.JobDone, done.Status)
			require.True(t, done.Status.Terminal())
			require.NotEmpty(t, done.Logs)
			require.False(t, done.LastModified.IsZero())
			table, exists := s.Table(poolID, "ORDERS")
			require.True(t, exists)
			require.EqualValues(t, 3, table.Rows())

			jobs, err := s.push.Jobs(ctx)
			require.NoError(t, err)
			require.Len(t, jobs, 1)
			require.NoError(t, s.push.DeleteJob(ctx, job.ID))
			require.NoError(t, s.push.DeleteJob(ctx, job.ID), "deleting twice is no fault")
			_, err = s.push.Job(ctx, job.ID)
			require.True(t, fault.Has(err, fault.CelonisJobGone), err)
			require.Equal(t, fault.Later, fault.RetryOf(err))
		})
	}
}

func TestDeltaUpsertsAndDeletes(t *testing.T) {
	t.Parallel()
	s, ctx := startSim(t), t.Context()
	run := func(c celonis.Chunk) {
		job, err := s.push.CreateJob(ctx, csvSpec("ORDERS", "ID"))
		require.NoError(t, err)
		require.NoError(t, s.push.UploadChunk(ctx, job.ID, c))
		_, err = s.push.Submit(ctx, job.ID)
		require.NoError(t, err)
		s.ends("DONE")
	}
	run(csvChunk(twoRows))
	gone := csvChunk("a,,\n")
	gone.Kind = celonis.Delete
	run(gone)
	table, _ := s.Table(poolID, "ORDERS")
	require.EqualValues(t, 1, table.Rows())
}

func TestCreateJobFaults(t *testing.T) {
	t.Parallel()
	s, ctx := startSim(t), t.Context()
	_, err := s.client.DataPush("99999999-3b1c-4a53-9a47-2f1f5d7c9b10").CreateJob(ctx, csvSpec("T"))
	require.True(t, fault.Has(err, fault.CelonisPoolNotFound), err)
	require.Contains(t, fault.From(err).Hint, "Data Integration")

	for name, change := range map[string]func(*celonis.JobSpec){
		"no table":        func(s *celonis.JobSpec) { s.Table = "" },
		"no columns":      func(s *celonis.JobSpec) { s.Schema = nil },
		"delta, no keys":  func(s *celonis.JobSpec) { s.Type = celonis.Delta },
		"key no column":   func(s *celonis.JobSpec) { s.Keys = []string{"NOPE"} },
		"string, no size": func(s *celonis.JobSpec) { s.Schema = append(s.Schema[:0:0], s.Schema...); s.Schema[0].Length = 0 },
		"string too long": func(s *celonis.JobSpec) { s.Schema = append(s.Schema[:0:0], s.Schema...); s.Schema[0].Length = 65_001 },
	} {
		spec := csvSpec("T")
		change(&spec)
		_, err := s.push.CreateJob(ctx, spec)
		require.True(t, fault.Has(err, fault.CelonisSchemaTooWide), "%s: %v", name, err)
	}
	spec := csvSpec("T")
	spec.CSV = nil
	_, err = s.push.CreateJob(ctx, spec)
	require.Error(t, err)

	s.AddFault(celonissim.Fault{Route: "push.jobs.create", Cut: celonissim.CutBeforeAnswer})
	before, err := s.push.Jobs(ctx)
	require.NoError(t, err)
	_, err = s.push.CreateJob(ctx, csvSpec("T"))
	require.True(t, fault.Has(err, fault.CelonisDisconnected), err)
	after, err := s.push.Jobs(ctx)
	require.NoError(t, err)
	require.Len(t, after, len(before)+1, "a create is never repeated by itself")
}

func TestSubmitNeverTakesALostAnswerForAFailure(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]celonissim.Fault{
		"answer lost":   {Cut: celonissim.CutBeforeAnswer},
		"sent twice":    {Duplicate: true},
		"lost, twofold": {Duplicate: true, Cut: celonissim.CutBeforeAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := startSim(t), t.Context()
			job, err := s.push.CreateJob(ctx, csvSpec("ORDERS"))
			require.NoError(t, err)
			require.NoError(t, s.push.UploadChunk(ctx, job.ID, csvChunk(twoRows)))
			f.Method, f.Path = http.MethodPost, job.ID
			s.AddFault(f)
			got, err := s.push.Submit(ctx, job.ID)
			require.NoError(t, err)
			require.Equal(t, job.ID, got.ID)
			require.NotEqual(t, celonis.JobNew, got.Status)
			s.ends("DONE")
			again, err := s.push.Submit(ctx, job.ID)
			require.NoError(t, err, "a second submit is a conflict in Celonis and none here")
			require.NotEqual(t, celonis.JobNew, again.Status)
		})
	}
}

func TestSubmitThatDidNotArrive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault celonissim.Fault
		code  fault.Code
		retry fault.Retry
	}{
		"cut before":   {celonissim.Fault{Cut: celonissim.CutBeforeBody}, fault.CelonisDisconnected, fault.Later},
		"server error": {celonissim.Fault{Status: 500}, fault.CelonisServer, fault.Later},
		"bad gateway":  {celonissim.Fault{Status: 502}, fault.CelonisServer, fault.Later},
		"rate limit":   {celonissim.Fault{Status: 429, Wait: time.Hour}, fault.CelonisRateLimited, fault.Wait},
		"rate, silent": {celonissim.Fault{Status: 429, Headers: celonissim.RateNone, Body: celonissim.BodyEmpty}, fault.CelonisRateLimited, fault.Wait},
		"forbidden":    {celonissim.Fault{Status: 403}, fault.CelonisForbidden, fault.Never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := startSim(t), t.Context()
			job, err := s.push.CreateJob(ctx, csvSpec("ORDERS"))
			require.NoError(t, err)
			c.fault.Method, c.fault.Path = http.MethodPost, job.ID
			id := s.AddFault(c.fault)
			_, err = s.push.Submit(ctx, job.ID)
			require.True(t, fault.Has(err, c.code), err)
			require.Equal(t, c.retry, fault.RetryOf(err))
			if c.code == fault.CelonisRateLimited {
				require.True(t, fault.From(err).ResumeAt.After(time.Now()))
			}
			require.Equal(t, 1, s.Faults()[0].Struck, "each submit counts against the team: it is not repeated by itself")
			s.RemoveFault(id)
			_, err = s.push.Submit(ctx, job.ID)
			require.NoError(t, err)
		})
	}
}

func TestUploadChunkFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault celonissim.Fault
		code  fault.Code
		taken int
	}{
		"cut before the body":   {celonissim.Fault{Cut: celonissim.CutBeforeBody}, fault.CelonisChunkInDoubt, 0},
		"cut in the body":       {celonissim.Fault{Cut: celonissim.CutMidBody}, fault.CelonisChunkInDoubt, 0},
		"answer lost":           {celonissim.Fault{Cut: celonissim.CutBeforeAnswer}, fault.CelonisChunkInDoubt, 1},
		"server error":          {celonissim.Fault{Status: 500}, fault.CelonisChunkInDoubt, 0},
		"bad gateway":           {celonissim.Fault{Status: 502}, fault.CelonisChunkInDoubt, 0},
		"unavailable":           {celonissim.Fault{Status: 503}, fault.CelonisChunkInDoubt, 0},
		"gateway timeout":       {celonissim.Fault{Status: 504}, fault.CelonisChunkInDoubt, 0},
		"rate limit, seconds":   {celonissim.Fault{Status: 429, Headers: celonissim.RateSeconds}, fault.CelonisRateLimited, 0},
		"rate limit, date-time": {celonissim.Fault{Status: 429, Headers: celonissim.RateDateTime}, fault.CelonisRateLimited, 0},
		"rate limit, after":     {celonissim.Fault{Status: 429, Headers: celonissim.RateRetryAfter}, fault.CelonisRateLimited, 0},
		"rate limit, silent":    {celonissim.Fault{Status: 429, Headers: celonissim.RateNone}, fault.CelonisRateLimited, 0},
		"too large":             {celonissim.Fault{Status: 413}, fault.CelonisTooLarge, 0},
		"rejected":              {celonissim.Fault{Status: 400}, fault.CelonisRejected, 0},
		"conflict":              {celonissim.Fault{Status: 409}, fault.CelonisConflict, 0},
		"key revoked":           {celonissim.Fault{Status: 401}, fault.CelonisUnauthorized, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := startSim(t), t.Context()
			job, err := s.push.CreateJob(ctx, csvSpec("ORDERS"))
			require.NoError(t, err)
			c.fault.Path = "/chunks/upserted"
			s.AddFault(c.fault)
			err = s.push.UploadChunk(ctx, job.ID, csvChunk(twoRows))
			require.True(t, fault.Has(err, c.code), err)
			if c.code == fault.CelonisRateLimited {
				require.False(t, fault.From(err).ResumeAt.IsZero())
			}
			require.Equal(t, 1, s.Faults()[0].Struck)
			chunks, err := s.push.Chunks(ctx, job.ID)
			require.NoError(t, err)
			require.Len(t, chunks, c.taken)
		})
	}
}

func TestUploadChunkRefusedForATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	c := newClient(t, celonis.Config{Now: func() time.Time { return now }, Transport: trip(func(r *http.Request) (*http.Response, error) {
		res := answer(r, http.StatusServiceUnavailable, "", "")
		res.Header.Set("Retry-After", "90")
		return res, nil
	})})
	err := c.DataPush(poolID).UploadChunk(t.Context(), "j", csvChunk(twoRows))
	require.True(t, fault.Has(err, fault.CelonisRateLimited), err)
	require.Equal(t, now.Add(90*time.Second), fault.From(err).ResumeAt)
}

func TestUploadChunkOfAGoneJobAndOfWrongSize(t *testing.T) {
	t.Parallel()
	s, ctx := startSim(t), t.Context()
	require.True(t, fault.Has(s.push.UploadChunk(ctx, "99999999-3b1c-4a53-9a47-2f1f5d7c9b10", csvChunk(twoRows)), fault.CelonisJobGone))
	for _, size := range []int64{0, -1, celonis.MaxChunkBytes + 1} {
		err := s.push.UploadChunk(ctx, "j", celonis.Chunk{Kind: celonis.Upsert, Body: strings.NewReader("x"), Size: size})
		require.True(t, fault.Has(err, fault.CelonisTooLarge), err)
	}
	for _, id := range []string{"", ".", ".."} {
		_, err := s.push.Job(ctx, id)
		require.True(t, fault.Has(err, fault.CelonisNotFound), err)
	}
}

func TestUploadChunkCanceledOnItsWay(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := newClient(t, celonis.Config{Target: target(server.URL), Transport: transport})
	err := c.DataPush(poolID).UploadChunk(ctx, "j", csvChunk(twoRows))
	require.True(t, fault.Has(err, fault.CelonisChunkInDoubt), err)
	require.ErrorIs(t, err, context.Canceled)
}

func TestUploadIsOnePartOfKnownLengthAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	var seen atomic.Int32
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		seen.Add(1)
		for range 2 {
			body, err := r.GetBody()
			require.NoError(t, err)
			raw, err := io.ReadAll(body)
			require.NoError(t, err)
			require.EqualValues(t, r.ContentLength, len(raw))
			kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			require.NoError(t, err)
			require.Equal(t, "multipart/form-data", kind)
			parts := multipart.NewReader(bytes.NewReader(raw), params["boundary"])
			part, err := parts.NextPart()
			require.NoError(t, err)
			require.Equal(t, "file", part.FormName())
			require.Equal(t, "a_b__c.parquet", part.FileName())
			got, err := io.ReadAll(part)
			require.NoError(t, err)
			require.Equal(t, data, got)
			_, err = parts.NextPart()
			require.ErrorIs(t, err, io.EOF)
		}
		return answer(r, http.StatusOK, "", ""), nil
	})})
	chunk := celonis.Chunk{Kind: celonis.Upsert, Name: "a\"b\r\nc.parquet", Body: bytes.NewReader(data), Size: int64(len(data))}
	require.NoError(t, c.DataPush(poolID).UploadChunk(t.Context(), "j", chunk))
	require.EqualValues(t, 1, seen.Load())
}

func TestJobKeepsItsPrefixAndUnknownStatusPasses(t *testing.T) {
	t.Parallel()
	var paths []string
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		paths = append(paths, r.Method+" "+strings.SplitN(r.URL.Path, "/", 3)[1])
		if strings.HasPrefix(r.URL.Path, "/data-ingestion/") {
			return answer(r, http.StatusNotFound, "text/html", "<html><title>no such route</title></html>"), nil
		}
		return answer(r, http.StatusOK, "application/json", `{"id":"j1","status":"ARCHIVED","lastModified":"2024-05-01T10:00:00Z","logs":null,"keys":null}`), nil
	})})
	p, ctx := c.DataPush(poolID), t.Context()
	_, err := p.CreateJob(ctx, csvSpec("T"))
	require.NoError(t, err)
	job, err := p.Job(ctx, "j1")
	require.NoError(t, err)
	require.EqualValues(t, "ARCHIVED", job.Status)
	require.False(t, job.Status.Terminal())
	require.Equal(t, time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC), job.LastModified)
	require.NoError(t, p.UploadChunk(ctx, "j1", csvChunk(twoRows)))
	require.Equal(t, []string{"POST data-ingestion", "POST integration", "GET integration", "POST integration"}, paths)
}
