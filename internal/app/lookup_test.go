package app_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
)

// asking makes a flow look the column GUESS up with an agent; agent changes the lookup.
func asking(connection string, agent map[string]any, rule ...map[string]any) func(map[string]any) {
	lookup := map[string]any{"connectionId": connection, "agent": copilot, "prompt": "What is {value}?"}
	for k, v := range agent {
		lookup[k] = v
	}
	guess := map[string]any{"to": "GUESS", "from": "vendor", "lookup": map[string]any{"table": "guesses"}}
	for _, r := range rule {
		for k, v := range r {
			guess[k] = v
		}
	}
	return set("", map[string]any{
		"lookups": []any{map[string]any{"name": "guesses", "agent": lookup}},
		"mapping": []any{map[string]any{"to": "ID", "from": "id", "type": "integer"}, guess},
	})
}

// vendors is a CSV file of so many records and different vendors.
func vendors(records, different int) string {
	var b strings.Builder
	b.WriteString("id,vendor,country\n")
	for i := range records {
		fmt.Fprintf(&b, "%d,vendor %d,DE\n", i, i%different)
	}
	return b.String()
}

func TestALookupAsksAnAgentOnceForEachValue(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	flow := s.fileFlow(pool, "ASKED", "csv", vendors(20_000, 7)+"20000,,DE\n", asking(insight, map[string]any{"prompt": "What is {value} of {country}, {{really}}?"}))
	apptest.RequireWhole(t, s.Do(flow), 20_001)
	values := apptest.Column(sim.MustTable("ASKED"), "GUESS")
	require.Equal(t, "What is vendor 3 of DE, {really}?", values[3])
	require.Equal(t, "<null>", values[20_000])
	questions := sim.AgentQuestions(copilot)
	require.Len(t, questions, 7)
	for _, q := range questions {
		require.Empty(t, q.Before, "each question is a conversation of its own")
	}
	require.NotContains(t, s.log.String(), "What is vendor")

	var used struct{ Items []struct{ FlowID string } }
	s.Call(http.StatusOK, "GET", "/v1/connections/"+insight+"/used-by", nil, &used)
	require.Len(t, used.Items, 1)
	require.Equal(t, "connection.in_use", s.Problem(http.StatusConflict, "DELETE", "/v1/connections/"+insight, nil).Code)

	var read struct {
		Lookups []struct{ Agent map[string]any }
	}
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &read)
	require.Equal(t, map[string]any{"connectionId": insight, "agent": copilot, "prompt": "What is {value} of {country}, {{really}}?", "output": "text",
		"maxQuestions": 100.0, "onLimit": "error", "onLost": "error"}, read.Lookups[0].Agent)
}

func TestALookupTakesStructuredOutput(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot, Answer: func(q celonissim.AgentQuestion) celonissim.AgentAnswer {
		out := map[string]any{"cost/center": map[string]any{"n": 4711}}
		switch q.Message {
		case "What is vendor 1?":
			out = map[string]any{"cost/center": map[string]any{"n": "many"}}
		case "What is vendor 2?":
			out = map[string]any{}
		case "What is vendor 3?":
			return celonissim.AgentAnswer{Text: "I do not know."}
		case "What is vendor 4?":
			return celonissim.AgentAnswer{Status: http.StatusBadRequest, Detail: "I must not say."}
		}
		return celonissim.AgentAnswer{Text: "see there", Structured: out}
	}})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	flow := s.fileFlow(pool, "SHAPED", "csv", vendors(6, 6), asking(insight, map[string]any{"output": "/cost~1center/n"},
		map[string]any{"type": "integer", "lookup": map[string]any{"table": "guesses", "default": -1}}))
	run := s.Do(flow)
	require.Equal(t, "succeeded", run.State)
	require.EqualValues(t, 3, run.Ledger.Errored)
	require.Equal(t, []string{"4711", "-1", "4711"}, apptest.Column(sim.MustTable("SHAPED"), "GUESS"))
	codes := map[string]string{}
	for _, e := range s.Errors(flow) {
		codes[e.Code] = e.Message
	}
	require.Len(t, codes, 3)
	require.Contains(t, codes["value.wrong_type"], `"many"`)
	require.Contains(t, codes["lookup.no_structured_output"], copilot)
	require.Contains(t, codes["lookup.refused"], "I must not say")
}

func TestALookupHasALimit(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	run := s.Do(s.fileFlow(pool, "STRICT", "csv", vendors(20, 10), asking(insight, map[string]any{"maxQuestions": 4})))
	require.Equal(t, "succeeded", run.State)
	require.EqualValues(t, 12, run.Ledger.Errored)
	require.EqualValues(t, 8, run.Ledger.Pushed)
	require.Len(t, sim.AgentQuestions(copilot), 4)

	flow := s.fileFlow(pool, "LENIENT", "csv", vendors(20, 10), asking(insight, map[string]any{"maxQuestions": 4, "onLimit": "default"},
		map[string]any{"lookup": map[string]any{"table": "guesses", "default": "nobody asked"}}))
	apptest.RequireWhole(t, s.Do(flow), 20)
	unasked := 0
	for _, v := range apptest.Column(sim.MustTable("LENIENT"), "GUESS") {
		if v == "nobody asked" {
			unasked++
		}
	}
	require.Equal(t, 12, unasked)
	require.Len(t, sim.AgentQuestions(copilot), 8)
}

// A run whose rows win by their keys reads its source twice; it asks once.
func TestPassesOfARunAgree(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot, Answer: func(celonissim.AgentQuestion) celonissim.AgentAnswer {
		return celonissim.AgentAnswer{Text: fmt.Sprint("answer ", n.Add(1))}
	}})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	flow := s.fileFlow(pool, "AGREED", "csv", vendors(500, 25), asking(insight, nil), set("import", map[string]any{"mode": "delta", "keys": []string{"GUESS"}}))
	run := s.Do(flow)
	require.Equal(t, "succeeded", run.State, "%+v", run.Error)
	require.EqualValues(t, 25, run.Ledger.Pushed)
	require.Len(t, sim.AgentQuestions(copilot), 25)
}

func TestARunThatIsStoppedAsksNothingTwice(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	var once sync.Once
	thinking, release := make(chan struct{}), make(chan struct{})
	sim.AddAgent(celonissim.Agent{ID: copilot, Answer: func(q celonissim.AgentQuestion) celonissim.AgentAnswer {
		if q.N == 10 {
			once.Do(func() { close(thinking) })
			<-release
		}
		return celonissim.AgentAnswer{Text: "answer to " + q.Message}
	}})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	flow := s.fileFlow(pool, "STOPPED", "csv", vendors(60, 30), asking(insight, nil))
	run := s.Start(flow)
	apptest.Receive(t, thinking, "the tenth question is asked")
	// The service stops while an answer is under way, waits for it, and goes on elsewhere.
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	s.restart()
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 60)
	asked := map[string]int{}
	for _, q := range sim.AgentQuestions(copilot) {
		asked[q.Message]++
	}
	require.Len(t, asked, 30)
	for q, times := range asked {
		require.Equal(t, 1, times, q)
	}
}

func TestALostAnswerOfALookup(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Cut: celonissim.CutBeforeAnswer, Times: 1})
	flow := s.fileFlow(pool, "LOST", "csv", vendors(4, 2), asking(insight, nil))
	run := s.Do(flow)
	require.EqualValues(t, 2, run.Ledger.Errored, "%+v", run)
	require.Len(t, sim.AgentQuestions(copilot), 2)
	for _, e := range s.Errors(flow) {
		require.Equal(t, "lookup.answer_lost", e.Code)
	}

	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Cut: celonissim.CutBeforeAnswer, Times: 1})
	apptest.RequireWhole(t, s.Do(s.fileFlow(pool, "AGAIN", "csv", vendors(4, 2), asking(insight, map[string]any{"onLost": "askAgain"}))), 4)
	require.Len(t, sim.AgentQuestions(copilot), 5)
}

func TestARunWaitsForTheAgentsTeam(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Status: http.StatusTooManyRequests, Times: 1, Skip: 3, Wait: time.Second})
	run := s.Do(s.fileFlow(pool, "PATIENT", "csv", vendors(40, 10), asking(insight, nil)))
	apptest.RequireWhole(t, run, 40)
	require.Len(t, sim.AgentQuestions(copilot), 10)

	// Errors of Celonis's own are waited out too, and no record suffers.
	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Status: http.StatusServiceUnavailable, Times: 1, Skip: 3})
	apptest.RequireWhole(t, s.Do(s.fileFlow(pool, "CALM", "csv", vendors(40, 10), asking(insight, nil))), 40)
	require.Len(t, sim.AgentQuestions(copilot), 20)
}

func TestASpentDayMakesALookupsRunWait(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	cfg := settings(t, sim.URL)
	cfg.IntelligencePerDay = 5
	s := start(t, cfg)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	run := s.Start(s.fileFlow(pool, "SPENT", "csv", vendors(40, 10), asking(insight, nil)))
	waiting := s.Await(run.ID, func(r apptest.Run) bool { return r.State == "waiting" })
	require.Equal(t, "celonis.budget_spent", waiting.ErrorCode())
	require.Len(t, sim.AgentQuestions(copilot), 5)
	sim.RequireNoTable("SPENT")
}

func TestAnAgentThatIsUnknownFailsTheRun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	run := s.Do(s.fileFlow(pool, "UNKNOWN", "csv", vendors(40, 10), asking(insight, nil)))
	require.Equal(t, "failed", run.State)
	require.Equal(t, "chat.agent_not_found", run.ErrorCode())
	require.Zero(t, run.Ledger.Errored)
}

func TestTrialsAskFewQuestions(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	flow := s.fileFlow(pool, "TRIED", "csv", vendors(40, 10), asking(insight, nil))
	var preview struct {
		OK     bool
		Mapped struct {
			Rows []struct{ Values map[string]any }
		}
		Preflight struct {
			Findings []struct{ Severity, Code, Message string }
		}
	}
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/preview", map[string]any{"limit": 20}, &preview)
	require.True(t, preview.OK)
	require.Len(t, sim.AgentQuestions(copilot), 5)
	require.Equal(t, "What is vendor 4?", preview.Mapped.Rows[14].Values["GUESS"])
	require.Equal(t, "[not asked]", preview.Mapped.Rows[15].Values["GUESS"])
	told := false
	for _, f := range preview.Preflight.Findings {
		told = told || f.Code == "lookup.limit_reached" && strings.Contains(f.Message, "5 questions and left")
	}
	require.True(t, told, "%+v", preview.Preflight.Findings)

	var run apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", map[string]any{"dryRun": true}, &run)
	require.Equal(t, "succeeded", s.AwaitEnd(run.ID).State)
	require.Len(t, sim.AgentQuestions(copilot), 10)
	sim.RequireNoTable("TRIED")
}

func TestWhatALookupThatAsksMayNotSay(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	file := s.Upload("input.csv", strings.NewReader(vendors(1, 1)))
	hidden := map[string]any{"to": "VENDOR", "from": "vendor", "protect": map[string]any{"method": "sha256"}}
	for name, c := range map[string]struct {
		change  func(map[string]any)
		pointer string
	}{
		"no value":       {asking(insight, map[string]any{"prompt": "What?"}), "/lookups/0/agent/prompt"},
		"an open brace":  {asking(insight, map[string]any{"prompt": "{value} {"}), "/lookups/0/agent/prompt"},
		"no agent":       {asking(insight, map[string]any{"agent": "nodot"}), "/lookups/0/agent/agent"},
		"another output": {asking(insight, map[string]any{"output": "costCenter"}), "/lookups/0/agent/output"},
		"too many":       {asking(insight, map[string]any{"maxQuestions": 10_001}), "/lookups/0/agent/maxQuestions"},
		"the wrong type": {asking(pool, nil), "/lookups/0/agent/connectionId"},
		"no connection":  {asking("gone", nil), "/lookups/0/agent/connectionId"},
		"a protected value": {func(spec map[string]any) {
			asking(insight, nil)(spec)
			spec["mapping"] = append(spec["mapping"].([]any), hidden)
		}, "/mapping/1/lookup/table"},
		"a protected field": {func(spec map[string]any) {
			asking(insight, map[string]any{"prompt": "{value} of {vendor}"}, map[string]any{"from": "country"})(spec)
			spec["mapping"] = append(spec["mapping"].([]any), hidden)
		}, "/mapping/1/lookup/table"},
		"an expression": {func(spec map[string]any) {
			asking(insight, nil)(spec)
			spec["filter"] = `lookup("guesses", "x") == "y"`
		}, "/filter"},
		"two sources": {func(spec map[string]any) {
			asking(insight, nil)(spec)
			spec["lookups"].([]any)[0].(map[string]any)["values"] = map[string]any{"a": "b"}
		}, "/lookups/0"},
	} {
		spec := apptest.FileFlow("refused", file, "csv", pool, "T")
		c.change(spec)
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", spec)
		pointers := []string{}
		for _, e := range p.Errors {
			pointers = append(pointers, e.Pointer)
		}
		require.Equal(t, []string{c.pointer}, pointers, "%s: %+v", name, p)
	}
}

// Answers stay in the database for as long as their run needs them, and questions never get there.
func TestAnswersGoWithTheirRun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	thinking, release := make(chan struct{}), make(chan struct{})
	sim.AddAgent(celonissim.Agent{ID: copilot, Answer: func(q celonissim.AgentQuestion) celonissim.AgentAnswer {
		if q.N == 2 {
			close(thinking)
			<-release
		}
		return celonissim.AgentAnswer{Text: "it is known"}
	}})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	db, err := sql.Open("sqlite", s.cfg.SQLitePath())
	require.NoError(t, err)
	defer db.Close()
	kept := func() (rows, telling int) {
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT COUNT(*), COALESCE(SUM(CASE WHEN answer || question || state LIKE '%vendor%' THEN 1 ELSE 0 END), 0) FROM lookup_answers`).Scan(&rows, &telling))
		return rows, telling
	}
	run := s.Start(s.fileFlow(pool, "KEPT", "csv", vendors(4, 2), asking(insight, nil)))
	apptest.Receive(t, thinking, "the second question")
	rows, telling := kept()
	require.Equal(t, 2, rows)
	require.Zero(t, telling)
	close(release)
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 4)
	rows, _ = kept()
	require.Zero(t, rows)
}

// A key that Celonis refuses takes the connection of the lookup offline, and no other; its run waits for it.
func TestARefusedKeyHoldsTheLookupsRun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	flow := s.fileFlow(pool, "HELD", "csv", vendors(40, 10), asking(insight, nil))
	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Status: http.StatusUnauthorized, Times: 1})
	run := s.Start(flow)
	waiting := s.Await(run.ID, func(r apptest.Run) bool { return r.State == "waiting" })
	require.Equal(t, "connection.offline", waiting.ErrorCode())
	var c apptest.Connection
	s.Call(http.StatusOK, "GET", "/v1/connections/"+pool, nil, &c)
	require.Equal(t, "online", c.Status)
	s.Call(http.StatusOK, "GET", "/v1/connections/"+insight, nil, &c)
	require.Equal(t, "offline", c.Status)
	require.Equal(t, "connection.offline", s.Problem(http.StatusConflict, "POST", "/v1/connections/"+insight+"/chat", map[string]any{"agent": copilot, "message": "x"}).Code)
	s.Call(http.StatusOK, "POST", "/v1/connections/"+insight+"/test", nil, nil)
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 40)
	require.Len(t, sim.AgentQuestions(copilot), 10)
}

// Two workspaces ask the same agent; neither sees the other's threads, answers or budget of runs.
func TestWorkspacesAskApart(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight := s.insight(sim)
	mine := s.chat(insight, map[string]any{"message": "mine", "thread": "daily"})
	other := *s
	other.Client = callerIn(t, s.app, "elsewhere", "all")
	theirs := other.insight(sim)
	require.NotEqual(t, mine.ConversationID, other.chat(theirs, map[string]any{"message": "theirs", "thread": "daily"}).ConversationID)
	require.Equal(t, "connection.not_found", other.Problem(http.StatusNotFound, "POST", "/v1/connections/"+insight+"/chat", map[string]any{"agent": copilot, "message": "x"}).Code)
	spec := apptest.FileFlow("thief", other.Upload("v.csv", strings.NewReader(vendors(1, 1))), "csv", other.Connect("pool", sim), "T")
	asking(insight, nil)(spec)
	require.Equal(t, "/lookups/0/agent/connectionId", other.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", spec).Errors[0].Pointer)
	weak := callerIn(t, s.app, "default", "connections:read")
	require.Equal(t, "access.insufficient_scope", weak.Problem(http.StatusForbidden, "POST", "/v1/connections/"+insight+"/chat", map[string]any{"agent": copilot, "message": "x"}).Code)
}
