// Package apptest is the kit of the end-to-end tests: a caller of the API, a
// simulator that stops at a chosen request, and the waiting for runs.
package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Client calls the API over HTTP as any caller would. What a test does not
// expect fails it, so its methods belong to the test's own goroutine.
type Client struct {
	t    testing.TB
	http *http.Client
	base string
	// Token is sent as the bearer; "" sends none.
	Token string
	// Seen, when set, gets every answer's body; the search for secrets does.
	Seen func(body []byte)
}

// Answer is an answer whose body has been read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem is an answer in the form of RFC 9457.
type Problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Detail  string `json:"detail"`
	} `json:"errors"`
	UsedBy []struct {
		FlowID string `json:"flowId"`
	} `json:"usedBy"`
}

// NewClient gets a token for an API client of the service at base.
func NewClient(t testing.TB, base, clientID, secret string) *Client {
	t.Helper()
	c := &Client{t: t, base: base, http: &http.Client{Transport: &http.Transport{}, Timeout: 2 * time.Minute}}
	t.Cleanup(c.http.CloseIdleConnections)
	req, err := http.NewRequest(http.MethodPost, base+"/oauth/token", strings.NewReader("grant_type=client_credentials"))
	require.NoError(t, err)
	req.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	a := c.do(req)
	require.Equal(t, http.StatusOK, a.Status, "the token endpoint answered %s", a.Body)
	require.NoError(t, json.Unmarshal(a.Body, &token))
	c.Token = token.AccessToken
	return c
}

// At gives the same caller for another process of the service.
func (c *Client) At(base string) *Client {
	other := *c
	other.base = base
	return &other
}

// For gives the same caller for a subtest.
func (c *Client) For(t testing.TB) *Client {
	other := *c
	other.t = t
	return &other
}

func (c *Client) do(req *http.Request) Answer {
	c.t.Helper()
	a, err := c.try(req)
	require.NoError(c.t, err)
	return a
}

func (c *Client) try(req *http.Request) (Answer, error) {
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if c.Seen != nil {
		c.Seen(body)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}, err
}

// Send sends a body: nil for none, []byte as it is, anything else as JSON.
// header holds names and values in turn.
func (c *Client) Send(method, path string, body any, header ...string) Answer {
	c.t.Helper()
	var reader io.Reader
	media := "application/json"
	switch b := body.(type) {
	case nil:
		media = ""
	case []byte:
		reader = bytes.NewReader(b)
	default:
		text, err := json.Marshal(body)
		require.NoError(c.t, err)
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, c.base+path, reader)
	require.NoError(c.t, err)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return c.do(req)
}

// Call sends a body, demands a status and reads the answer into out unless that is nil.
func (c *Client) Call(want int, method, path string, body, out any) {
	c.t.Helper()
	a := c.Send(method, path, body)
	require.Equal(c.t, want, a.Status, "%s %s answered %s", method, path, a.Body)
	if out != nil {
		require.NoError(c.t, json.Unmarshal(a.Body, out), "%s %s answered %s", method, path, a.Body)
	}
}

// Problem sends a body that must be refused with a status and gives the refusal.
func (c *Client) Problem(want int, method, path string, body any) Problem {
	c.t.Helper()
	a := c.Send(method, path, body)
	require.Equal(c.t, want, a.Status, "%s %s answered %s", method, path, a.Body)
	return a.Problem(c.t)
}

// Problem reads a refusal.
func (a Answer) Problem(t testing.TB) Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), "%s", a.Body)
	var p Problem
	require.NoError(t, json.Unmarshal(a.Body, &p), "%s", a.Body)
	require.Equal(t, a.Status, p.Status)
	return p
}

// Upload sends a file and gives its id.
func (c *Client) Upload(name string, content io.Reader) (fileID string) {
	c.t.Helper()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		part, err := form.CreateFormFile("file", name)
		if err == nil {
			_, err = io.Copy(part, content)
		}
		if err == nil {
			err = form.Close()
		}
		writer.CloseWithError(err)
	}()
	defer reader.Close()
	req, err := http.NewRequest(http.MethodPost, c.base+"/v1/files", reader)
	require.NoError(c.t, err)
	req.Header.Set("Content-Type", form.FormDataContentType())
	a := c.do(req)
	require.Equal(c.t, http.StatusCreated, a.Status, "%s", a.Body)
	var f struct {
		ID string `json:"id"`
	}
	require.NoError(c.t, json.Unmarshal(a.Body, &f))
	return f.ID
}

// Connection is a connection as the API shows it.
type Connection struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Domain   string `json:"domain"`
	AuthType string `json:"authType"`
	PoolID   string `json:"poolId"`
	Status   string `json:"status"`
	Secrets  map[string]struct {
		Set bool `json:"set"`
	} `json:"secrets"`
	LastTest *TestResult `json:"lastTest"`
	Revision int64       `json:"revision"`
}

// TestResult is the outcome of a test call.
type TestResult struct {
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`
}

// Step is one step of a test call.
type Step struct {
	Step   string `json:"step"`
	OK     bool   `json:"ok"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// Last gives the last step, which is the one that failed where one did.
func (r TestResult) Last() Step {
	if len(r.Steps) == 0 {
		return Step{}
	}
	return r.Steps[len(r.Steps)-1]
}

// Connect makes a connection of type dataPush to the simulator's pool with its App key.
func (c *Client) Connect(name string, sim *Sim) (connectionID string) {
	c.t.Helper()
	var made Connection
	c.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": name, "apiType": "dataPush", "domain": sim.Host, "authType": "custom", "appKey": sim.AppKey, "poolId": sim.Pool,
	}, &made)
	require.Equal(c.t, "online", made.Status, "%+v", made.LastTest)
	return made.ID
}

// FileFlow is a flow from an uploaded file to a table in the form of the API;
// a test changes what it needs.
func FileFlow(name, fileID, format, connectionID, table string) map[string]any {
	return map[string]any{
		"name":   name,
		"export": map[string]any{"type": "file", "fileId": fileID, "format": format},
		"import": map[string]any{"type": "dataPush", "connectionId": connectionID, "table": table, "mode": "replace"},
	}
}

// Flow makes a flow and gives its id.
func (c *Client) Flow(spec map[string]any) (flowID string) {
	c.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	c.Call(http.StatusCreated, "POST", "/v1/flows", spec, &made)
	return made.ID
}

// Errors lists the record errors of a flow, the first page of them.
func (c *Client) Errors(flowID string) []RecordError {
	c.t.Helper()
	var list struct {
		Items []RecordError `json:"items"`
	}
	c.Call(http.StatusOK, "GET", "/v1/flows/"+flowID+"/errors?limit=100", nil, &list)
	return list.Items
}

// RecordError is a bad record as the API shows it.
type RecordError struct {
	Record    int64  `json:"record"`
	Line      int64  `json:"line"`
	Offset    int64  `json:"offset"`
	Code      string `json:"code"`
	Field     string `json:"field"`
	Message   string `json:"message"`
	Data      string `json:"data"`
	Truncated bool   `json:"truncated"`
}

// String shows an error in one line, for a test's table.
func (e RecordError) String() string {
	return fmt.Sprintf("%d:%d %s %s", e.Record, e.Line, e.Code, e.Field)
}

// Try sends a body as it is and may be called from any goroutine; header holds
// names and values in turn.
func (c *Client) Try(method, path string, body []byte, header ...string) (Answer, error) {
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return c.try(req)
}
