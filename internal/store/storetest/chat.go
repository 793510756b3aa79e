package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
)

// thread is one that is asked in for the first time.
func (b *bundle) thread(c *connections.Connection, name, conversation string) connections.ChatThread {
	return connections.ChatThread{
		ID: b.id(), Workspace: c.Workspace, ConnectionID: c.ID, Agent: "pkg.agent", Name: name, ConversationID: conversation,
		CreatedAt: b.now, UpdatedAt: b.now,
	}
}

func (b *bundle) kept(t connections.ChatThread) connections.ChatThread {
	b.Helper()
	got, err := b.s.ChatThread(b.ctx, t.Workspace, t.ConnectionID, t.Agent, t.Name)
	require.NoError(b, err)
	return *got
}

var chatTests = map[string]func(*bundle){
	"AThreadKeepsItsNewestConversation": func(b *bundle) {
		c := b.connection(b.workspace, "km")
		first := b.thread(c, "daily", "one")
		require.NoError(b, b.s.NoteChat(b.ctx, first))
		got := b.kept(first)
		first.Messages = 1
		require.Equal(b, first, got)

		again := got
		again.UpdatedAt = b.now.Add(time.Hour)
		require.NoError(b, b.s.NoteChat(b.ctx, again))
		again.Messages = 2
		require.Equal(b, again, b.kept(first))

		anew := b.thread(c, "daily", "two")
		require.NoError(b, b.s.NoteChat(b.ctx, anew))
		got = b.kept(first)
		require.Equal(b, first.ID, got.ID, "the thread is the same")
		require.Equal(b, "two", got.ConversationID)
		require.EqualValues(b, 1, got.Messages)

		other := b.thread(c, "daily", "three")
		other.Agent = "pkg.other"
		require.NoError(b, b.s.NoteChat(b.ctx, other))
		require.Equal(b, "two", b.kept(first).ConversationID)
		require.Equal(b, "three", b.kept(other).ConversationID)
	},
	"WithoutANameNothingIsKept": func(b *bundle) {
		c := b.connection(b.workspace, "km")
		require.NoError(b, b.s.NoteChat(b.ctx, b.thread(c, "", "one")))
		list, err := b.s.ChatThreads(b.ctx, b.workspace, c.ID, connections.Page{Limit: 10})
		require.NoError(b, err)
		require.Empty(b, list)
		require.Equal(b, []string{"system asked conversation pkg.agent"}, b.events(audit.Query{Kind: audit.Conversation}))
	},
	"ThreadsAreListedAndForgotten": func(b *bundle) {
		c := b.connection(b.workspace, "km")
		var made []string
		for i := range 5 {
			t := b.thread(c, fmt.Sprint("thread ", i), "one")
			require.NoError(b, b.s.NoteChat(b.ctx, t))
			made = append(made, t.ID)
		}
		list := func(after string, limit int) ([]connections.ChatThread, error) {
			return b.s.ChatThreads(b.ctx, b.workspace, c.ID, connections.Page{Limit: limit, After: after})
		}
		require.Equal(b, made, pages(b, list, func(t connections.ChatThread) string { return t.ID }))
		require.NoError(b, b.s.DeleteChatThread(b.ctx, b.workspace, c.ID, made[0]))
		b.fault(fault.ChatThreadNotFound, b.s.DeleteChatThread(b.ctx, b.workspace, c.ID, made[0]))
		_, err := b.s.ChatThread(b.ctx, b.workspace, c.ID, "pkg.agent", "thread 0")
		b.fault(fault.ChatThreadNotFound, err)
		require.Len(b, b.events(audit.Query{Action: audit.Deleted, Kind: audit.Conversation}), 1)
	},
	"ThreadsAreTheirWorkspacesAndTheirConnections": func(b *bundle) {
		c, sibling, elsewhere := b.connection(b.workspace, "km"), b.connection(b.workspace, "km 2"), b.connection(b.other, "km")
		t := b.thread(c, "daily", "one")
		require.NoError(b, b.s.NoteChat(b.ctx, t))
		for _, where := range []*connections.Connection{sibling, elsewhere, {Workspace: b.other, ID: c.ID}} {
			_, err := b.s.ChatThread(b.ctx, where.Workspace, where.ID, t.Agent, t.Name)
			b.fault(fault.ChatThreadNotFound, err)
			list, err := b.s.ChatThreads(b.ctx, where.Workspace, where.ID, connections.Page{Limit: 10})
			require.NoError(b, err)
			require.Empty(b, list)
			b.fault(fault.ChatThreadNotFound, b.s.DeleteChatThread(b.ctx, where.Workspace, where.ID, t.ID))
		}
		lost := b.thread(c, "daily", "one")
		lost.ConnectionID = "gone"
		b.fault(fault.ConnectionNotFound, b.s.NoteChat(b.ctx, lost))
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0))
		list, err := b.s.ChatThreads(b.ctx, b.workspace, c.ID, connections.Page{Limit: 10})
		require.NoError(b, err)
		require.Empty(b, list)
	},
}

var longRequestTests = map[string]func(*bundle){
	"AKeyStaysTakenForAsLongAsItsRequestMayTake": func(b *bundle) {
		k := store.IdempotencyKey{Workspace: b.workspace, Client: "c", Key: "k", Route: "POST /chat", BodyHash: "h", Now: b.now, Expires: b.now.Add(time.Hour), Within: 5 * time.Minute}
		_, err := b.s.BeginIdempotent(b.ctx, k)
		require.NoError(b, err)
		repeat := k
		repeat.Now = b.now.Add(5*time.Minute - time.Microsecond)
		_, err = b.s.BeginIdempotent(b.ctx, repeat)
		b.fault(fault.RequestIdempotencyBusy, err)
		lost := store.IdempotentResponse{Status: 502, Header: map[string]string{"fault": "chat.answer_lost"}}
		require.NoError(b, b.s.FinishIdempotent(b.ctx, k, lost))
		answer, err := b.s.BeginIdempotent(b.ctx, repeat)
		require.NoError(b, err)
		require.Equal(b, 502, answer.Status)
		require.Equal(b, lost.Header, answer.Header)
	},
}

// answers takes questions of the run's lookup "l".
func (b *bundle) answers(r *flows.Run, limit int, hashes ...string) map[string]flows.Question {
	b.Helper()
	found, err := b.s.TakeQuestions(b.ctx, r.Token(), "l", hashes, limit)
	require.NoError(b, err)
	return found
}

var answerTests = map[string]func(*bundle){
	"QuestionsAreTakenOnceUpToTheLimit": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "asks"))
		fresh := flows.Question{Hash: "one", State: flows.QuestionNew}
		require.Equal(b, map[string]flows.Question{"one": fresh, "two": {Hash: "two", State: flows.QuestionNew}}, b.answers(r, 2, "one", "two", "three"))
		require.Equal(b, map[string]flows.Question{"one": fresh}, b.answers(r, 2, "three", "one", "four"))
		require.Len(b, b.answers(r, 3, "three"), 1)
		other, err := b.s.TakeQuestions(b.ctx, r.Token(), "another lookup", []string{"one"}, 1)
		require.NoError(b, err)
		require.Len(b, other, 1)
		many := make([]string, 1200)
		for i := range many {
			many[i] = fmt.Sprint("h", i)
		}
		require.Len(b, b.answers(r, 5000, many...), 1200)
		require.Len(b, b.answers(r, 0, many...), 1200, "what is known is given whatever the limit")
	},
	"AnswersAreKeptForLaterAttempts": func(b *bundle) {
		f := b.flow(b.workspace, "asks")
		r := b.claimed(f)
		b.answers(r, 10, "one", "two")
		answered := flows.Question{Hash: "one", State: flows.QuestionAnswered, Tries: 1, Fence: r.Fence, Answer: `{"text":"42 \u0000"}`}
		asked := flows.Question{Hash: "two", State: flows.QuestionAsked, Tries: 1, Fence: r.Fence}
		require.NoError(b, b.s.SaveQuestion(b.ctx, r.Token(), "l", answered))
		require.NoError(b, b.s.SaveQuestion(b.ctx, r.Token(), "l", asked))
		b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now, Now: b.now})
		later := b.claim(r)
		require.Equal(b, map[string]flows.Question{"one": answered, "two": asked}, b.answers(later, 2, "one", "two", "three"))

		_, err := b.s.TakeQuestions(b.ctx, r.Token(), "l", []string{"one"}, 1)
		b.fault(fault.RunLeaseLost, err)
		b.fault(fault.RunLeaseLost, b.s.SaveQuestion(b.ctx, r.Token(), "l", asked))
	},
	"ARunWithAnswersEndsAndItsFlowIsDeleted": func(b *bundle) {
		f := b.flow(b.workspace, "asks")
		for _, end := range []flows.State{flows.Succeeded, flows.Failed, flows.Canceled} {
			r := b.claimed(f)
			b.answers(r, 10, "one")
			b.settle(r, flows.Settlement{State: end, Now: b.now})
			_, err := b.s.TakeQuestions(b.ctx, r.Token(), "l", []string{"one"}, 1)
			b.fault(fault.RunLeaseLost, err)
		}
		r := b.claimed(f)
		b.answers(r, 10, "one")
		b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now, Now: b.now})
		_, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
		require.NoError(b, err)
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
	},
	"ManyTakeTogetherNoMoreThanTheLimit": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "asks"))
		var wg sync.WaitGroup
		taken := make([]int, 8)
		for i := range taken {
			wg.Go(func() {
				found, err := b.s.TakeQuestions(b.ctx, r.Token(), "l", []string{fmt.Sprint("a", i), fmt.Sprint("b", i), "shared"}, 5)
				if err == nil {
					delete(found, "shared")
					taken[i] = len(found)
				}
			})
		}
		wg.Wait()
		sum := 0
		for _, n := range taken {
			sum += n
		}
		require.Equal(b, 4, sum)
	},
}
