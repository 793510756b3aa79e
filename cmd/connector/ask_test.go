package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

const copilot = "pkg.copilot"

// insight stores a connection to the Intelligence API.
func (p *program) insight(name string, sim *apptest.Sim, key string) {
	p.t.Helper()
	p.inside(func(ctx context.Context, a *app.App) {
		_, err := a.Connections.Create(ctx, app.Workspace, connections.Draft{
			Name: name, APIType: connections.Intelligence, Domain: sim.Host, AuthType: connections.Custom, AppKey: crypto.NewSecret(key),
		}, connections.CreateOptions{})
		require.NoError(p.t, err)
	})
}

func TestAskFromAShell(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot, Schema: &celonissim.AgentSchema{Type: "object", Properties: map[string]celonissim.AgentSchema{"size": {Type: "integer"}}}})
	p := newProgram(t, sim.URL)
	p.insight("KPIs", sim, sim.AppKey)

	r := p.run("ask", "--connection", "kpis", "--agent", copilot, "what is late?")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, "what is late?\n{\"size\":13}\n", r.stdout)
	require.Contains(t, r.stderr, "conversation ")

	var answers [2]struct {
		ConversationID, Text, Thread string
		NewConversation              bool
		StructuredOutput             map[string]int
	}
	for i := range answers {
		r = p.run("ask", "--connection", "KPIs", "--agent", copilot, "--thread", "daily", "--json", fmt.Sprint("question ", i))
		require.Equal(t, exitOK, r.code, r.stderr)
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &answers[i]), r.stdout)
	}
	require.True(t, answers[0].NewConversation)
	require.False(t, answers[1].NewConversation)
	require.Equal(t, answers[0].ConversationID, answers[1].ConversationID)
	require.Equal(t, "daily", answers[1].Thread)
	require.Equal(t, 10, answers[1].StructuredOutput["size"])
	require.Equal(t, []string{"question 0"}, sim.AgentQuestions(copilot)[2].Before)
}

func TestAskHasExitCodes(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	p := newProgram(t, sim.URL)
	p.insight("KPIs", sim, sim.AppKey)
	p.insight("broken", sim, celonissim.NewKey())
	for name, c := range map[string]struct {
		args []string
		code int
		tell string
	}{
		"no connection":     {[]string{"--connection", "none", "--agent", copilot, "x"}, exitConnection, "connection.not_found"},
		"a key refused":     {[]string{"--connection", "broken", "--agent", copilot, "x"}, exitConnection, "celonis.unauthorized"},
		"no agent":          {[]string{"--connection", "KPIs", "x"}, exitUsage, "agent"},
		"no question":       {[]string{"--connection", "KPIs", "--agent", copilot}, exitUsage, "arg"},
		"an odd agent":      {[]string{"--connection", "KPIs", "--agent", "odd", "x"}, exitUsage, "/agent"},
		"an unknown agent":  {[]string{"--connection", "KPIs", "--agent", "pkg.gone", "x"}, exitFailed, "chat.agent_not_found"},
		"two conversations": {[]string{"--connection", "KPIs", "--agent", copilot, "--thread", "a", "--conversation", "b", "x"}, exitUsage, "thread"},
	} {
		r := p.run(append([]string{"ask"}, c.args...)...)
		require.Equal(t, c.code, r.code, "%s: %s", name, r.stderr)
		require.Contains(t, r.stderr, c.tell, name)
	}
	require.Empty(t, sim.AgentQuestions(copilot))
}

// A worker is killed while an agent answers. Another goes on with what was
// answered; nothing is asked twice, and only what was on its way is an error.
func TestKilledWhileAnAgentAnswers(t *testing.T) {
	t.Parallel()
	for _, onLost := range []string{"error", "askAgain"} {
		t.Run(onLost, func(t *testing.T) {
			t.Parallel()
			killedWhileAsking(t, onLost)
		})
	}
}

func killedWhileAsking(t *testing.T, onLost string) {
	const vendors, records = 40, 200
	s := newKeepingStand(t, "CONNECTOR_REDIS_URL", testservers.NewRedisServer(t).URL())
	var once sync.Once
	thinking, release := make(chan struct{}), make(chan struct{})
	s.sim.AddAgent(celonissim.Agent{ID: copilot, Answer: func(q celonissim.AgentQuestion) celonissim.AgentAnswer {
		if q.N > 15 {
			once.Do(func() { close(thinking) })
			<-release
		}
		return celonissim.AgentAnswer{Text: "answer to " + q.Message}
	}})
	insight := s.client.Send("POST", "/v1/connections", map[string]any{
		"name": "insight", "apiType": "intelligence", "domain": s.sim.Host, "authType": "custom", "appKey": s.sim.AppKey,
	})
	require.Equal(t, http.StatusCreated, insight.Status)
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal(insight.Body, &made))
	var file strings.Builder
	file.WriteString("id,vendor\n")
	for i := range records {
		fmt.Fprintf(&file, "%d,vendor %d\n", i, i%vendors)
	}
	spec := apptest.FileFlow("asks", s.client.Upload("v.csv", strings.NewReader(file.String())), "csv", s.connection, "ASKED")
	spec["lookups"] = []any{map[string]any{"name": "l", "agent": map[string]any{"connectionId": made.ID, "agent": copilot, "prompt": "What is {value}?", "onLost": onLost}}}
	spec["mapping"] = []any{map[string]any{"to": "ID", "from": "id"}, map[string]any{"to": "GUESS", "from": "vendor", "lookup": map[string]any{"table": "l"}}}
	flow := s.client.Flow(spec)
	run := s.client.Start(flow)
	apptest.Receive(t, thinking, "the agent thinks")
	s.worker.kill()
	close(release)
	s.worker = s.serve("worker")
	done := s.client.AwaitEnd(run.ID)
	require.Equal(t, "succeeded", done.State, "%+v", done.Error)
	require.EqualValues(t, records, done.Ledger.Read)
	require.Equal(t, done.Ledger.Read, done.Ledger.Pushed+done.Ledger.Errored)

	asked := map[string]int{}
	for _, q := range s.sim.AgentQuestions(copilot) {
		asked[q.Message]++
	}
	require.Len(t, asked, vendors)
	twice := 0
	for _, n := range asked {
		require.LessOrEqual(t, n, 2)
		twice += n - 1
	}
	table := s.sim.MustTable("ASKED")
	for i, guess := range apptest.Column(table, "GUESS") {
		id, _ := table.Value("ID", i)
		var n int
		_, err := fmt.Sscan(id, &n)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("answer to What is vendor %d?", n%vendors), guess)
	}
	if onLost == "askAgain" {
		require.Zero(t, done.Ledger.Errored)
		require.LessOrEqual(t, twice, 4)
		return
	}
	require.Zero(t, twice, "a lost answer was asked for again")
	require.LessOrEqual(t, done.Ledger.Errored, int64(4*records/vendors))
	for _, e := range s.client.Errors(flow) {
		require.Equal(t, "lookup.answer_lost", e.Code)
	}
}
