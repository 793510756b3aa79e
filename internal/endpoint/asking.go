package endpoint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// questionsAtOnce is how many questions of one lookup are with its agent at once.
	questionsAtOnce = 4
	// answerPatience is how long an attempt that ends waits for answers that are under way, so that they are not lost.
	answerPatience = 10 * time.Second
)

// asker asks the agent of a lookup: each different question once in a run. What
// is asked and answered is on record first and last (flows.AnswerStore), so that
// every pass and attempt of the run gets the same answers. A trial, which is a
// preview or a dry run, asks few questions and keeps nothing.
type asker struct {
	*Builder
	workspace string
	lookup    flows.LookupTable
	token     flows.Token
	trial     bool
	slots     chan struct{}
	// within is what questions are asked within: it outlives what wants the answers.
	within context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	known map[string]*asked
	// tried counts the questions of a trial, left those that it left out.
	tried, left int
	// stopped is why nothing is asked any more.
	stopped error
	client  *celonis.Client
	ticket  *budget.Ticket
}

var _ mapping.Asker = (*asker)(nil)

// asked is a question; its answer or err stands once done is closed.
type asked struct {
	hash, question string
	done           chan struct{}
	answer         mapping.Answer
	err            error
}

func (b *Builder) asker(ctx context.Context, f *flows.Flow, r *flows.Run, t flows.LookupTable) *asker {
	a := &asker{
		Builder: b, workspace: f.Workspace, lookup: t, token: r.Token(), trial: r.ID == "" || r.Options.DryRun,
		slots: make(chan struct{}, questionsAtOnce), known: map[string]*asked{},
	}
	a.within, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return a
}

// Ask implements mapping.Asker. Faults: those of Targets, celonis.Client.Ask, budget.Ticket.Take and flows.AnswerStore.
func (a *asker) Ask(ctx context.Context, questions []string) ([]mapping.Answer, error) {
	all, mine := a.join(questions)
	a.begin(ctx, mine)
	out := make([]mapping.Answer, len(all))
	for i, x := range all {
		select {
		case <-x.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if x.err != nil {
			return nil, x.err
		}
		out[i] = x.answer
	}
	return out, nil
}

// join gives the questions as they are known, and those that the caller is the first to have.
func (a *asker) join(questions []string) (all, mine []*asked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range questions {
		sum := sha256.Sum256([]byte(q))
		hash := hex.EncodeToString(sum[:])
		x := a.known[hash]
		if x == nil {
			x = &asked{hash: hash, question: q, done: make(chan struct{})}
			a.known[hash] = x
			mine = append(mine, x)
		}
		all = append(all, x)
	}
	return all, mine
}

// begin has the questions asked. Each of them is settled at last, whatever happens.
func (a *asker) begin(ctx context.Context, mine []*asked) {
	if len(mine) == 0 {
		return
	}
	rows, err := a.take(ctx, mine)
	for _, x := range mine {
		row, taken := rows[x.hash]
		switch {
		case err != nil:
			a.settle(x, mapping.Answer{}, err, ctx.Err() == nil)
			continue
		case !taken:
			a.settle(x, a.beyond(), nil, false)
			continue
		case row.State == flows.QuestionAnswered:
			a.settle(x, kept(row), nil, false)
			continue
		}
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			err = context.Cause(ctx)
			a.settle(x, mapping.Answer{}, err, false)
			continue
		}
		a.work.Go(func() {
			defer func() { <-a.slots }()
			answer, err := a.answer(x, row)
			a.settle(x, answer, err, true)
		})
	}
}

// settle ends a question. One that ended in an error is forgotten; with stops it is the end of asking. Of questions too
// many there may be any number, so that they are forgotten as well.
func (a *asker) settle(x *asked, answer mapping.Answer, err error, stops bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) > flows.MaxQuestions && (answer.Unasked || answer.Code == fault.LookupLimit || answer == mapping.Answer{}) {
		delete(a.known, x.hash)
	}
	if err != nil {
		delete(a.known, x.hash)
		if stops && a.stopped == nil {
			a.stopped = err
		}
	}
	x.answer, x.err = answer, err
	close(x.done)
}

// take finds how far the questions are; those that it does not give are too many.
func (a *asker) take(ctx context.Context, mine []*asked) (map[string]flows.Question, error) {
	if !a.trial {
		hashes := make([]string, len(mine))
		for i, x := range mine {
			hashes[i] = x.hash
		}
		return a.Answers.TakeQuestions(ctx, a.token, a.lookup.Name, hashes, a.lookup.Agent.MaxQuestions)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	rows := map[string]flows.Question{}
	for _, x := range mine {
		if a.tried < min(flows.FewQuestions, a.lookup.Agent.MaxQuestions) {
			a.tried++
			rows[x.hash] = flows.Question{Hash: x.hash, State: flows.QuestionNew}
		}
	}
	return rows, nil
}

// beyond is the answer to a question too many.
func (a *asker) beyond() mapping.Answer {
	switch {
	case a.trial:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.left++
		return mapping.Answer{Unasked: true}
	case a.lookup.Agent.OnLimit == flows.LimitDefault:
		return mapping.Answer{}
	}
	return mapping.Answer{Code: fault.LookupLimit, Message: fmt.Sprintf("the run has asked the agent %q %d different questions, as many as it may",
		a.lookup.Agent.Agent, a.lookup.Agent.MaxQuestions)}
}

// save puts on record how far a question is (I2); a trial keeps nothing.
func (a *asker) save(row flows.Question) error {
	if a.trial {
		return nil
	}
	return a.Answers.SaveQuestion(a.within, a.token, a.lookup.Name, row)
}

// answer asks a question until it is settled. That it goes out is on record
// before it does, so that a later attempt knows when its answer was lost.
func (a *asker) answer(x *asked, row flows.Question) (mapping.Answer, error) {
	for {
		if row.State == flows.QuestionAsked && (a.lookup.Agent.OnLost != flows.LostAskAgain || row.Tries >= flows.MaxQuestionTries) {
			return a.end(row, mapping.Answer{Code: fault.LookupAnswerLost, Message: fmt.Sprintf(
				"the agent %q may have been asked, and its answer was lost; retry the record to ask again", a.lookup.Agent.Agent)})
		}
		client, err := a.open()
		if err != nil {
			return mapping.Answer{}, err
		}
		if err := a.ticket.Take(a.within); err != nil {
			return mapping.Answer{}, err
		}
		row.State, row.Fence = flows.QuestionAsked, a.token.Fence
		row.Tries++
		if err := a.save(row); err != nil {
			return mapping.Answer{}, err
		}
		reply, err := client.Ask(a.within, celonis.Question{Agent: a.lookup.Agent.Agent, Message: x.question})
		switch {
		case err == nil:
			return a.end(row, a.taken(reply))
		case fault.Has(err, fault.ChatAnswerLost):
			// The next turn says what becomes of it.
		case isRefusal(err) || celonis.OwnError(err) && row.Tries >= flows.MaxQuestionTries:
			return a.end(row, mapping.Answer{Code: fault.LookupRefused, Message: fmt.Sprintf("the agent %q gave no answer: %s", a.lookup.Agent.Agent, fault.From(err).Message)})
		default:
			return mapping.Answer{}, a.unasked(row, err)
		}
	}
}

// unasked puts on record that a question was not asked, or in vain, and gives why.
func (a *asker) unasked(row flows.Question, err error) error {
	row.State = flows.QuestionNew
	if !celonis.OwnError(err) {
		row.Tries--
	}
	if saveErr := a.save(row); saveErr != nil {
		return saveErr
	}
	if fault.Has(err, fault.CelonisRateLimited) {
		if marked := a.ticket.Refused(a.within, fault.From(err).ResumeAt); marked != nil {
			return marked
		}
	}
	return err
}

// isRefusal reports whether Celonis refused this question, and not every one.
func isRefusal(err error) bool {
	return fault.Has(err, fault.CelonisRejected) || fault.Has(err, fault.CelonisTooLarge)
}

// end keeps an answer.
func (a *asker) end(row flows.Question, answer mapping.Answer) (mapping.Answer, error) {
	text, err := json.Marshal(keptAnswer{answer.Text, kindNames()[answer.Kind], answer.Code, answer.Message})
	if err != nil {
		return mapping.Answer{}, fault.Wrap(err, fault.Internal, "an answer cannot be kept")
	}
	row.State, row.Answer = flows.QuestionAnswered, string(text)
	return answer, a.save(row)
}

// keptAnswer is the form of answers on record.
type keptAnswer struct {
	Text    string     `json:"text,omitempty"`
	Kind    string     `json:"kind,omitempty"`
	Code    fault.Code `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
}

func kindNames() map[columns.Kind]string {
	return map[columns.Kind]string{columns.Null: "", columns.Text: "text", columns.Number: "number", columns.Bool: "bool", columns.JSON: "json"}
}

// kept reads an answer that is on record.
func kept(row flows.Question) mapping.Answer {
	var k keptAnswer
	if err := json.Unmarshal([]byte(row.Answer), &k); err != nil {
		return mapping.Answer{Code: fault.LookupAnswerLost, Message: "the agent's answer on record cannot be read"}
	}
	out := mapping.Answer{Text: k.Text, Code: k.Code, Message: k.Message}
	for kind, name := range kindNames() {
		if name == k.Kind {
			out.Kind = kind
		}
	}
	return out
}

// taken is what the lookup takes of a reply.
func (a *asker) taken(r *celonis.Reply) (answer mapping.Answer) {
	agent := a.lookup.Agent
	switch {
	case agent.Output == flows.OutputText || agent.Output == "":
		answer = mapping.TextAnswer(r.Text)
	case r.Structured == nil:
		return mapping.Answer{Code: fault.LookupNoOutput, Message: fmt.Sprintf("the answer of the agent %q has no structured output: it needs a JSON schema", agent.Agent)}
	default:
		answer = mapping.PointedAnswer(r.Structured, agent.Output)
	}
	if n := len(answer.Text); n > columns.MaxStringBytes {
		return mapping.Answer{Code: fault.ValueTooLong, Message: fmt.Sprintf("the answer of the agent %q has %d bytes, and a column takes %d at most", agent.Agent, n, columns.MaxStringBytes)}
	}
	return answer
}

// open makes the client with the first question; its key lives as long as the attempt (I4).
func (a *asker) open() (*celonis.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped != nil || a.client != nil {
		return a.client, a.stopped
	}
	target, err := a.Targets.Target(a.within, a.workspace, a.lookup.Agent.ConnectionID)
	if err != nil {
		return nil, err
	}
	if target.APIType != connections.Intelligence {
		return nil, fault.New(fault.ConnectionAPIType, "the connection of the lookup table %q is of apiType %q, not %q", a.lookup.Name, target.APIType, connections.Intelligence)
	}
	base, err := url.Parse(target.BaseURL)
	if err != nil {
		return nil, fault.Wrap(err, fault.ConnectionDomain, "the connection's base URL is not a URL")
	}
	client, err := celonis.New(celonis.Config{Target: target, Transport: a.Transport, Logger: a.Log, Now: a.Now, Shared: a.Limits, Tokens: a.Tokens})
	if err != nil {
		return nil, err
	}
	// A ticket of its own: that of an export that reads knowledge models ends with its reading.
	a.ticket = a.Quota.Begin(base.Host, cmp.Or(a.token.RunID, uuid.NewString())+"/"+a.lookup.Name)
	a.client = client
	return client, nil
}

// Tried tells how many questions a trial has asked, and left out.
func (a *asker) Tried() (asked, left int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tried, a.left
}

// Close waits a while for the answers under way, and gives back what the team's budget has lent.
func (a *asker) Close() error {
	answered := make(chan struct{})
	go func() { defer close(answered); a.work.Wait() }()
	timer := time.NewTimer(answerPatience)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	}
	after := context.WithoutCancel(a.within)
	a.cancel()
	<-answered
	if a.ticket == nil {
		return nil
	}
	return a.ticket.End(after)
}
