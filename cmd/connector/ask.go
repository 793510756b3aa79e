package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/spf13/cobra"
)

type askOptions struct {
	connection, agent, thread, conversation string
	json                                    bool
}

func newAsk() *cobra.Command {
	var o askOptions
	cmd := &cobra.Command{
		Use: "ask --connection NAME --agent AGENT QUESTION", Args: cobra.ExactArgs(1),
		Short: "Ask a Process Copilot agent of Celonis",
		Long: `Asks an agent through a connection of type intelligence of this environment's
database, and prints what it says, with its structured output behind it. "-" in
the place of QUESTION reads it from standard input.

--thread keeps the conversation under a name and goes on with it the next time;
where Celonis no longer knows it, another is begun. --conversation goes on with
one that an answer has named. A question is asked once: an agent may act on what
it is told, so a lost answer is told and not asked for again.

Exit codes: 0 the agent has answered, 4 the connection does not work, 1 failed
otherwise, 2 wrong usage, 130 interrupted.`,
		Example: `  connector ask --connection KPIs --agent procurement.copilot "Which vendors were paid too early?"
  connector ask --connection KPIs --agent procurement.copilot --thread daily --json - < question.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			question, err := questionOf(cmd, args[0])
			if err != nil {
				return err
			}
			return withApp(cmd, func(a *app.App) error { return ask(cmd, a, question, o) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.connection, "connection", "", "name or id of the connection")
	f.StringVar(&o.agent, "agent", "", "the agent: <package key>.<asset key>")
	f.StringVar(&o.thread, "thread", "", "name under which the conversation is kept")
	f.StringVar(&o.conversation, "conversation", "", "id of a conversation to go on with")
	f.BoolVar(&o.json, "json", false, "print the answer as one JSON object, and nothing else")
	_ = cmd.MarkFlagRequired("connection")
	_ = cmd.MarkFlagRequired("agent")
	cmd.MarkFlagsMutuallyExclusive("thread", "conversation")
	return cmd
}

func questionOf(cmd *cobra.Command, arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), connections.MaxChatMessage+1))
	if err != nil {
		return "", fmt.Errorf("the question cannot be read: %w", err)
	}
	if question := strings.TrimSpace(string(text)); question != "" {
		return question, nil
	}
	return "", errors.New("standard input holds no question")
}

// askReport is the JSON form of an answer.
type askReport struct {
	ConversationID   string          `json:"conversationId"`
	Text             string          `json:"text"`
	StructuredOutput json.RawMessage `json:"structuredOutput,omitempty"`
	NewConversation  bool            `json:"newConversation"`
	Thread           string          `json:"thread,omitempty"`
}

func ask(cmd *cobra.Command, a *app.App, question string, o askOptions) error {
	ctx := cmd.Context()
	c, err := findConnection(ctx, a, o.connection)
	if err != nil {
		return err
	}
	if err := bringOnline(ctx, a, c); err != nil {
		return err
	}
	answer, err := a.Chats.Ask(ctx, connections.Chatter{Workspace: app.Workspace, Client: audit.Shell}, c.ID, connections.ChatQuestion{
		Agent: o.agent, Message: question, ConversationID: o.conversation, Thread: o.thread,
	})
	if err != nil {
		return askFailed(ctx, err)
	}
	out := cmd.OutOrStdout()
	if o.json {
		return json.NewEncoder(out).Encode(askReport{answer.ConversationID, answer.Text, answer.Structured, answer.NewConversation, o.thread})
	}
	if answer.Text != "" {
		fmt.Fprintln(out, answer.Text)
	}
	if answer.Structured != nil {
		fmt.Fprintln(out, string(answer.Structured))
	}
	if o.thread == "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "conversation %s\n", answer.ConversationID)
	} else if answer.NewConversation {
		fmt.Fprintf(cmd.ErrOrStderr(), "thread %s begins with conversation %s\n", o.thread, answer.ConversationID)
	}
	return nil
}

// askFailed gives a failed question its exit code.
func askFailed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return &exitError{code: exitInterrupted, cause: err}
	case fault.Has(err, fault.RequestInvalid):
		return &exitError{code: exitUsage, cause: err}
	case isConnectionFault(fault.CodeOf(err)):
		return &exitError{code: exitConnection, cause: err}
	}
	return &exitError{code: exitFailed, cause: err}
}
