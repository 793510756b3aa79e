package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// ledger keeps questions in memory.
type ledger struct {
	mu   sync.Mutex
	rows map[string]flows.Question
	// saved are the states that were saved, in order.
	saved []flows.QuestionState
}

func (l *ledger) TakeQuestions(_ context.Context, _ flows.Token, _ string, hashes []string, limit int) (map[string]flows.Question, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]flows.Question{}
	for _, h := range hashes {
		if _, known := l.rows[h]; !known && len(l.rows) < limit {
			l.rows[h] = flows.Question{Hash: h, State: flows.QuestionNew}
		}
		if row, known := l.rows[h]; known {
			out[h] = row
		}
	}
	return out, nil
}

func (l *ledger) SaveQuestion(_ context.Context, _ flows.Token, _ string, q flows.Question) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows[q.Hash] = q
	l.saved = append(l.saved, q.State)
	return nil
}

// plenty grants every request, until it is spent.
type plenty struct{ spent atomic.Bool }

func (p *plenty) LeaseRequests(_ context.Context, t budget.RequestTake) (budget.RequestLease, error) {
	if p.spent.Load() {
		return budget.RequestLease{RequestStanding: budget.RequestStanding{Used: t.Limits.PerDay}}, nil
	}
	return budget.RequestLease{Granted: 1, At: t.Now}, nil
}
func (p *plenty) EndRequests(context.Context, string, string, time.Time, int64) error { return nil }
func (p *plenty) RefuseRequests(context.Context, string, time.Time, time.Time) error  { return nil }
func (p *plenty) Requests(context.Context, string, string, time.Time) (budget.RequestStanding, error) {
	return budget.RequestStanding{}, nil
}

type aTarget struct{ to connections.Target }

func (t aTarget) Target(context.Context, string, string) (connections.Target, error) {
	return t.to, nil
}

// parlor is a simulator with an agent, and what askers of it stand on.
type parlor struct {
	*celonissim.Server
	ledger ledger
	budget plenty
	build  *Builder
	lookup flows.LookupTable
}

func newParlor(t *testing.T, change ...func(*flows.AgentLookup)) *parlor {
	t.Helper()
	o := celonissim.DefaultOptions()
	o.Limits.KnowledgePerSecond, o.Limits.KnowledgeAtOnce = -1, -1
	p := &parlor{Server: celonissim.New(o), ledger: ledger{rows: map[string]flows.Question{}}}
	url, err := p.Start("127.0.0.1:0")
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); require.NoError(t, p.Close()) })
	key := p.AddCredential(celonissim.Credential{Name: "k", Kind: celonissim.AppKey, Intelligence: true})
	p.AddAgent(celonissim.Agent{ID: "pkg.a"})
	p.build = NewBuilder(Deps{
		Targets:   aTarget{connections.Target{BaseURL: url, APIType: connections.Intelligence, AuthType: connections.Custom, Key: crypto.NewSecret(key)}},
		Transport: transport, Log: slog.New(slog.DiscardHandler), Now: time.Now, Answers: &p.ledger, Quota: &budget.Requests{Store: &p.budget, Now: time.Now},
	})
	p.lookup = flows.LookupTable{Name: "l", Agent: &flows.AgentLookup{ConnectionID: "c", Agent: "pkg.a", Prompt: "{value}", Output: flows.OutputText, MaxQuestions: 100}}
	for _, c := range change {
		c(p.lookup.Agent)
	}
	return p
}

// attempt makes the asker of a run's attempt.
func (p *parlor) attempt(t *testing.T, fence int64) *asker {
	return p.build.asker(t.Context(), &flows.Flow{}, &flows.Run{ID: "run", Fence: fence}, p.lookup)
}

func text(s string) mapping.Answer { return mapping.Answer{Text: s, Kind: columns.Text} }

func TestManyAskTheSameOnce(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	a := p.attempt(t, 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var questions []string
			for i := range 20 {
				questions = append(questions, fmt.Sprint("q", i))
			}
			answers, err := a.Ask(t.Context(), questions)
			if err != nil || len(answers) != 20 || answers[7] != text("q7") {
				t.Errorf("%v %v", answers, err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, a.Close())
	require.Len(t, p.AgentQuestions("pkg.a"), 20)

	later := p.attempt(t, 2)
	answers, err := later.Ask(t.Context(), []string{"q3", "new"})
	require.NoError(t, err)
	require.Equal(t, []mapping.Answer{text("q3"), text("new")}, answers)
	require.NoError(t, later.Close())
	require.Len(t, p.AgentQuestions("pkg.a"), 21)
}

func TestASpentBudgetEndsTheAsking(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	p.budget.spent.Store(true)
	a := p.attempt(t, 1)
	for range 2 {
		_, err := a.Ask(t.Context(), []string{"one", "two", "three"})
		require.True(t, fault.Has(err, fault.CelonisBudgetSpent), "%v", err)
		require.Equal(t, fault.Wait, fault.RetryOf(err))
	}
	require.NoError(t, a.Close())
	require.Empty(t, p.AgentQuestions("pkg.a"))
	require.Empty(t, p.ledger.saved, "what was not asked is on record as new")
}

func TestAQuestionOfADeadAttempt(t *testing.T) {
	t.Parallel()
	for onLost, c := range map[flows.LostAnswer]struct {
		tries int
		code  fault.Code
		asked int
	}{
		flows.LostError:    {1, fault.LookupAnswerLost, 0},
		flows.LostAskAgain: {2, "", 1},
	} {
		p := newParlor(t, func(l *flows.AgentLookup) { l.OnLost = onLost })
		first := p.attempt(t, 1)
		_, mine := first.join([]string{"q"})
		p.ledger.rows[mine[0].hash] = flows.Question{Hash: mine[0].hash, State: flows.QuestionAsked, Tries: c.tries, Fence: 1}
		a := p.attempt(t, 2)
		answers, err := a.Ask(t.Context(), []string{"q"})
		require.NoError(t, err)
		require.Equal(t, c.code, answers[0].Code, onLost)
		require.NoError(t, a.Close())
		require.Len(t, p.AgentQuestions("pkg.a"), c.asked)
		require.Equal(t, flows.QuestionAnswered, p.ledger.rows[mine[0].hash].State)
	}
	p := newParlor(t, func(l *flows.AgentLookup) { l.OnLost = flows.LostAskAgain })
	p.AddFault(celonissim.Fault{Route: "intelligence.ask", Cut: celonissim.CutBeforeAnswer})
	a := p.attempt(t, 1)
	answers, err := a.Ask(t.Context(), []string{"q"})
	require.NoError(t, err)
	require.Equal(t, fault.LookupAnswerLost, answers[0].Code)
	require.NoError(t, a.Close())
	require.Len(t, p.AgentQuestions("pkg.a"), flows.MaxQuestionTries)
}

func TestAnAgentWithErrorsOfItsOwnIsGivenUpAtLast(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	p.AddFault(celonissim.Fault{Route: "intelligence.ask", Status: http.StatusInternalServerError})
	for fence := range int64(flows.MaxQuestionTries - 1) {
		a := p.attempt(t, fence)
		_, err := a.Ask(t.Context(), []string{"q"})
		require.Equal(t, fault.Later, fault.RetryOf(err), "the run waits: %v", err)
		require.NoError(t, a.Close())
	}
	a := p.attempt(t, 9)
	answers, err := a.Ask(t.Context(), []string{"q"})
	require.NoError(t, err)
	require.Equal(t, fault.LookupRefused, answers[0].Code)
	require.NoError(t, a.Close())
}

func TestACelonisThatIsNotAvailableIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	p.AddFault(celonissim.Fault{Route: "intelligence.ask", Status: http.StatusServiceUnavailable})
	for fence := range int64(2 * flows.MaxQuestionTries) {
		a := p.attempt(t, fence)
		_, err := a.Ask(t.Context(), []string{"q"})
		require.Equal(t, fault.Later, fault.RetryOf(err), "%v", err)
		require.NoError(t, a.Close())
	}
}

func TestAnAttemptThatEndsWaitsForItsAnswers(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	thinking, release := make(chan struct{}), make(chan struct{})
	p.AddAgent(celonissim.Agent{ID: "pkg.a", Answer: func(celonissim.AgentQuestion) celonissim.AgentAnswer {
		close(thinking)
		<-release
		return celonissim.AgentAnswer{Text: "late"}
	}})
	a := p.attempt(t, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := fault.New(fault.RunReleased, "the worker is stopping")
	done := make(chan error, 1)
	go func() { _, err := a.Ask(ctx, []string{"q"}); done <- err }()
	<-thinking
	cancel(gone)
	require.ErrorIs(t, <-done, gone)
	close(release)
	require.NoError(t, a.Close())
	require.Equal(t, []flows.QuestionState{flows.QuestionAsked, flows.QuestionAnswered}, p.ledger.saved)

	again := p.attempt(t, 2)
	answers, err := again.Ask(t.Context(), []string{"q"})
	require.NoError(t, err)
	require.Equal(t, text("late"), answers[0])
	require.NoError(t, again.Close())
}

func TestAnswersAreTheSameFromTheRecord(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	a := p.attempt(t, 1)
	for _, answer := range []mapping.Answer{
		{}, text("words \u0000 \"quoted\""), {Text: "12.50", Kind: columns.Number}, {Text: "true", Kind: columns.Bool}, {Text: `{"a":1}`, Kind: columns.JSON},
		{Code: fault.LookupRefused, Message: "no"},
	} {
		_, err := a.end(flows.Question{Hash: "h"}, answer)
		require.NoError(t, err)
		require.Equal(t, answer, kept(p.ledger.rows["h"]))
	}
	require.NoError(t, a.Close())
	require.Equal(t, fault.LookupAnswerLost, kept(flows.Question{Answer: "{"}).Code)
}

func TestATrialAsksFewAndKeepsNothing(t *testing.T) {
	t.Parallel()
	p := newParlor(t)
	a := p.build.asker(t.Context(), &flows.Flow{}, &flows.Run{}, p.lookup)
	for range 2 {
		answers, err := a.Ask(t.Context(), []string{"1", "2", "3", "4", "5", "6", "1"})
		require.NoError(t, err)
		require.Equal(t, text("1"), answers[6])
		require.True(t, answers[5].Unasked)
	}
	asked, left := a.Tried()
	require.Equal(t, []int{flows.FewQuestions, 1}, []int{asked, left})
	require.NoError(t, a.Close())
	require.Len(t, p.AgentQuestions("pkg.a"), flows.FewQuestions)
	require.Empty(t, p.ledger.rows)
}
