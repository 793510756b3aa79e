package apptest

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience is how long the kit waits for what must come.
const Patience = 90 * time.Second

// look is the pause between two looks.
const look = 20 * time.Millisecond

// Run is a run as the API shows it.
type Run struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	HasErrors bool   `json:"hasErrors"`
	Attempt   int    `json:"attempt"`
	Ledger    struct {
		Read, Filtered, Pushed, Errored int64
	} `json:"ledger"`
	Bytes     int64      `json:"bytes"`
	Chunks    int64      `json:"chunks"`
	PushJobID string     `json:"pushJobId"`
	ResumeAt  *time.Time `json:"resumeAt"`
	StartedAt *time.Time `json:"startedAt"`
	Error     *struct {
		Code, Message, Hint string
	} `json:"error"`
}

// Ended reports whether the run's state is final.
func (r Run) Ended() bool {
	return slices.Contains([]string{"succeeded", "failed", "canceled"}, r.State)
}

// ErrorCode gives the code of the run's error, "" when it has none.
func (r Run) ErrorCode() string {
	if r.Error == nil {
		return ""
	}
	return r.Error.Code
}

// Start queues a run of a flow.
func (c *Client) Start(flowID string) Run {
	c.t.Helper()
	var r Run
	c.Call(http.StatusAccepted, "POST", "/v1/flows/"+flowID+"/runs", nil, &r)
	return r
}

// Run reads a run.
func (c *Client) Run(id string) Run {
	c.t.Helper()
	var r Run
	c.Call(http.StatusOK, "GET", "/v1/runs/"+id, nil, &r)
	return r
}

// Await waits until a run is as wanted. A service that does not answer for a
// while is waited for, too.
func (c *Client) Await(id string, wanted func(Run) bool) (r Run) {
	c.t.Helper()
	Eventually(c.t, func() bool {
		req, err := http.NewRequest(http.MethodGet, c.base+"/v1/runs/"+id, nil)
		require.NoError(c.t, err)
		a, err := c.try(req)
		if err != nil || a.Status != http.StatusOK {
			return false
		}
		r = Run{}
		require.NoError(c.t, json.Unmarshal(a.Body, &r))
		return wanted(r)
	}, func() string { text, _ := json.Marshal(r); return "the run stays at " + string(text) })
	return r
}

// AwaitEnd waits until a run has ended.
func (c *Client) AwaitEnd(id string) Run {
	c.t.Helper()
	return c.Await(id, Run.Ended)
}

// Do starts a run of a flow and waits for its end.
func (c *Client) Do(flowID string) Run {
	c.t.Helper()
	return c.AwaitEnd(c.Start(flowID).ID)
}

// Eventually looks until ok holds, and fails the test with what why says when
// it does not within Patience. Both run on the test's goroutine.
func Eventually(t testing.TB, ok func() bool, why func() string) {
	t.Helper()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	end := time.After(Patience)
	for !ok() {
		select {
		case <-ticker.C:
		case <-end:
			require.FailNow(t, "it did not happen within "+Patience.String(), why())
		}
	}
}

// Receive waits for a signal.
func Receive(t testing.TB, signal <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(Patience):
		require.FailNow(t, "it did not happen within "+Patience.String(), what)
	}
}

// RequireWhole demands that a run succeeded with every record in the table and a balanced ledger.
func RequireWhole(t testing.TB, r Run, records int64) {
	t.Helper()
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Equal(t, records, r.Ledger.Read, "%+v", r.Ledger)
	require.Equal(t, records, r.Ledger.Pushed, "%+v", r.Ledger)
	require.Zero(t, r.Ledger.Filtered+r.Ledger.Errored)
	require.False(t, r.HasErrors)
}
