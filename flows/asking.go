package flows

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

const (
	// DefaultMaxQuestions and MaxQuestions bound what one run asks an agent of a lookup.
	DefaultMaxQuestions, MaxQuestions = 100, 10_000
	// FewQuestions is how many questions a preview asks each agent, and an attempt of a dry run.
	FewQuestions = 5
	// MaxQuestionTries is how often one question of a run is asked at most.
	MaxQuestionTries = 3
	// AnswerLength is the declared length of a text column without one whose values an agent gives, in bytes.
	AnswerLength = 4000
	// OutputText is AgentLookup.Output for the agent's text.
	OutputText = "text"
)

// AskLimit says what becomes of values that a run may not ask about any more.
type AskLimit string

const (
	// LimitError makes their records errors; the default.
	LimitError AskLimit = "error"
	// LimitDefault gives them the default of the rule's lookup.
	LimitDefault AskLimit = "default"
)

// LostAnswer says what becomes of a question whose answer was lost on the way.
type LostAnswer string

const (
	// LostError makes its records errors, since an agent may act on what it is told; the default.
	LostError LostAnswer = "error"
	// LostAskAgain asks it again, MaxQuestionTries times in all.
	LostAskAgain LostAnswer = "askAgain"
)

// AgentLookup makes a lookup ask an agent of Celonis for values: each different
// question once in a run, in a conversation of its own.
type AgentLookup struct {
	// ConnectionID is a connection of type intelligence, Agent "<package key>.<asset key>".
	ConnectionID string `json:"connectionId" validate:"required,max=64"`
	Agent        string `json:"agent" validate:"required,max=200"`
	// Prompt is the question: {value} stands for the rule's value, {NAME} or {/a/b} for another field of the record. {{ and
	// }} are braces.
	Prompt string `json:"prompt" validate:"required,max=8000"`
	// Output is what is taken of an answer: OutputText, or a JSON Pointer into its structured output.
	Output string `json:"output,omitempty" validate:"max=1024"`
	// MaxQuestions bounds the different questions of a run.
	MaxQuestions int        `json:"maxQuestions,omitempty" validate:"omitempty,min=1,max=10000"`
	OnLimit      AskLimit   `json:"onLimit,omitempty" validate:"omitempty,oneof=error default"`
	OnLost       LostAnswer `json:"onLost,omitempty" validate:"omitempty,oneof=error askAgain"`
}

// QuestionState says how far a question of a run has come.
type QuestionState string

// The states of questions.
const (
	// QuestionNew counts among the run's and is to be asked.
	QuestionNew QuestionState = "new"
	// QuestionAsked is on its way to the agent, or its answer was lost.
	QuestionAsked QuestionState = "asked"
	// QuestionAnswered has its answer, be it a refusal.
	QuestionAnswered QuestionState = "answered"
)

// Question is a question of a run's lookup as it is kept: without its words.
type Question struct {
	// Hash tells it from the lookup's other questions.
	Hash  string
	State QuestionState
	// Tries is how often it was asked.
	Tries int
	// Fence is that of the attempt that asked it last.
	Fence int64
	// Answer is JSON, "" before there is one.
	Answer string
}

// AnswerStore keeps what agents answered in a run, so that its passes and
// attempts agree and nothing is asked twice. Every write carries the run's
// token; fault RunLeaseLost when another worker has the run (I2).
type AnswerStore interface {
	// TakeQuestions gives those of the questions that the run has, and takes the others in as new as long as the lookup has
	// fewer than limit; what it gives no question for is beyond that.
	TakeQuestions(ctx context.Context, t Token, lookup string, hashes []string, limit int) (map[string]Question, error)
	// SaveQuestion stores a question that was taken.
	SaveQuestion(ctx context.Context, t Token, lookup string, q Question) error
}

// askingDefaults fills what a lookup leaves out.
func askingDefaults(tables []LookupTable) []LookupTable {
	if !slices.ContainsFunc(tables, func(t LookupTable) bool { return t.Agent != nil }) {
		return tables
	}
	tables = slices.Clone(tables)
	for i := range tables {
		if tables[i].Agent == nil {
			continue
		}
		a := *tables[i].Agent
		if a.Output == "" {
			a.Output = OutputText
		}
		if a.MaxQuestions == 0 {
			a.MaxQuestions = DefaultMaxQuestions
		}
		if a.OnLimit == "" {
			a.OnLimit = LimitError
		}
		if a.OnLost == "" {
			a.OnLost = LostError
		}
		tables[i].Agent = &a
	}
	return tables
}

// checkAsking finds what is wrong with lookups that ask agents; their prompts are the mapping's business.
func checkAsking(tables []LookupTable) (fields []fault.Field) {
	for i, t := range tables {
		if t.Agent == nil {
			continue
		}
		at := fmt.Sprintf("/lookups/%d/agent", i)
		if detail := connections.CheckAgent(t.Agent.Agent); detail != "" {
			fields = append(fields, invalid(at+"/agent", detail))
		}
		if o := t.Agent.Output; o != "" && o != OutputText && !strings.HasPrefix(o, "/") {
			fields = append(fields, invalid(at+"/output", `must be "text" or a JSON Pointer into the structured output, which begins with "/"`))
		}
	}
	return fields
}

// agentUses lists the connections that lookups ask through.
func (s Spec) agentUses() (uses []connectionUse) {
	for i, t := range s.Lookups {
		if t.Agent != nil {
			uses = append(uses, connectionUse{fmt.Sprintf("/lookups/%d/agent/connectionId", i), t.Agent.ConnectionID, []connections.APIType{connections.Intelligence}})
		}
	}
	return uses
}

// AsksThrough reports whether a lookup of the flow asks an agent through a connection.
func (s Spec) AsksThrough(connectionID string) bool {
	return slices.ContainsFunc(s.Lookups, func(t LookupTable) bool { return t.Agent != nil && t.Agent.ConnectionID == connectionID })
}

// askingHints are those of lookups that ask agents.
func askingHints() []form.Hint {
	return []form.Hint{
		{Path: "/lookups/*/agent", Label: "Agent", Help: "Asks a Process Copilot agent of Celonis for the values, each different question once in a run, in place of entries or a file."},
		{
			Path: "/lookups/*/agent/connectionId", Label: "Connection", Help: "A connection of type intelligence, with access to the agent.",
			Example:     "0199f3a0-7c1e-7b54-9a3e-2f6c1d0b8e11",
			OptionsFrom: &form.Options{Path: "/v1/connections", Value: "id", Label: "name", Where: map[string]any{"apiType": connections.Intelligence}},
		},
		{
			Path: "/lookups/*/agent/agent", Label: "Agent", Help: "The agent's name: package key and asset key with a dot between.", Example: "procurement.cost-centers",
			HowTo: []string{"In Celonis Studio, open the package with the agent.", "Its key and the agent's stand in the address of the agent's page."},
		},
		{
			Path: "/lookups/*/agent/prompt", Label: "Question", Example: "Which cost center does the vendor {value} of {/company/name} belong to? Answer with its number only.",
			Help: "What the agent is asked: {value} stands for the rule's value, {NAME} or {/a/b} for other fields of the record. The values go to Celonis as they are.",
		},
		{
			Path: "/lookups/*/agent/output", Label: "Taken of the answer", Default: OutputText, Example: "/costCenter",
			Help: "text, or a JSON Pointer into the structured output of an agent that has a JSON schema.",
		},
		{
			Path: "/lookups/*/agent/maxQuestions", Label: "Questions a run", Default: DefaultMaxQuestions, Example: 500,
			Help: "How many different questions a run may ask. Each counts among the team's requests to the Intelligence API.",
		},
		{
			Path: "/lookups/*/agent/onLimit", Label: "Beyond the limit", Default: LimitError, Help: "What becomes of values that the run may not ask about any more.",
			Titles: map[string]string{string(LimitError): "Make their records errors", string(LimitDefault): "Take the lookup's default"},
		},
		{
			Path: "/lookups/*/agent/onLost", Label: "Lost answers", Default: LostError,
			Help:   "What becomes of a question whose answer was lost on the way. Agents may act on what they are told, so asking twice may do something twice.",
			Titles: map[string]string{string(LostError): "Make its records errors", string(LostAskAgain): "Ask again"},
		},
	}
}
