package mapping

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// Asker asks an agent. It is asked by several goroutines at once, and waits.
type Asker interface {
	// Ask gives an answer to each question, in their order; equal questions have equal answers. An error says that nothing can
	// be asked for now, and ends what is at work.
	Ask(ctx context.Context, questions []string) ([]Answer, error)
}

// Answer is what became of a question.
type Answer struct {
	// Text is the value as Kind says, columns.Null for none.
	Text string
	Kind columns.Kind
	// Code and Message, when set, say why there is no answer.
	Code    fault.Code
	Message string
	// Unasked says that the question was left out of a trial.
	Unasked bool
}

// unaskedText stands in text columns for values that a trial did not ask for.
const unaskedText = "[not asked]"

// Agent is a lookup table whose values an agent gives.
type Agent struct {
	Prompt string
	// Asker asks it; without one, a row with a value to look up is an error.
	Asker Asker
}

// Within says within what the Applier asks agents, and gives the Applier;
// without it they are asked in the background.
func (a *Applier) Within(ctx context.Context) *Applier {
	a.ctx = ctx
	return a
}

// Stopped gives the error of an agent that could not be asked for now, since
// NewApplier: the rows applied then are not what they should be.
func (a *Applier) Stopped() error { return a.stopped }

// askAgent replaces the column's values by what an agent has for them.
func (a *Applier) askAgent(c *column) {
	s, l := &a.shaped, c.lookup
	out, data := resize(s.found, a.raw.Rows), s.foundData[:0]
	questions, of := []string(nil), []int(nil)
	seen := map[string]int{}
	for r := range out {
		cell := a.cells[r]
		out[r] = columns.Cell{}
		if cell.Kind == columns.Null || a.bad[r] || a.stopped != nil || len(bytes.TrimSpace(a.value(cell))) == 0 {
			continue
		}
		question, err := a.question(l.agent, a.value(cell), r)
		if err != nil {
			a.fail(rowError{r, fault.RecordExpression, c.source.text, fmt.Sprintf("the question for column %q cannot be written: %s", c.field.Name, err)})
			continue
		}
		at, asked := seen[question]
		if !asked {
			at = len(questions)
			seen[question] = at
			questions = append(questions, question)
		}
		for len(of) < r {
			of = append(of, -1)
		}
		of = append(of, at)
	}
	answers := a.answers(c, questions)
	for r, at := range of {
		if at < 0 || answers == nil {
			continue
		}
		v := a.taken(c, r, answers[at])
		out[r] = columns.Cell{Off: uint32(len(data)), Len: uint32(len(v.Text)), Kind: v.Kind}
		if v.Kind == columns.Null {
			out[r] = columns.Cell{}
		}
		data = append(data, v.Text...)
	}
	s.found, s.foundData = out, data
	a.cells, a.data = out, data
}

// answers asks the questions; nil when nothing could be asked.
func (a *Applier) answers(c *column, questions []string) []Answer {
	if len(questions) == 0 || a.stopped != nil {
		return nil
	}
	asker := c.lookup.agent.asker
	if asker == nil {
		a.stopped = fault.New(fault.Internal, "the lookup table of column %q has nobody to ask", c.field.Name)
		return nil
	}
	ctx := a.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	answers, err := asker.Ask(ctx, questions)
	if err == nil && len(answers) != len(questions) {
		err = fault.New(fault.Internal, "%d questions got %d answers", len(questions), len(answers))
	}
	if err != nil {
		a.stopped = err
		return nil
	}
	return answers
}

// taken gives what an answer makes of row r.
func (a *Applier) taken(c *column, r int, v Answer) Answer {
	switch {
	case v.Code != "":
		a.fail(rowError{r, v.Code, c.source.text, v.Message})
		return Answer{}
	case v.Unasked && c.field.Type == columns.String:
		return Answer{Text: unaskedText, Kind: columns.Text}
	case v.Unasked:
		return Answer{}
	case v.Kind == columns.Null && c.lookup.hasDefault:
		return Answer{Text: c.lookup.standard, Kind: columns.Text}
	}
	return v
}

// TextAnswer makes an answer of a text; a blank one is none.
func TextAnswer(text string) Answer {
	if text = strings.TrimSpace(text); text == "" {
		return Answer{}
	}
	return Answer{Text: text, Kind: columns.Text}
}

// PointedAnswer makes an answer of what a JSON Pointer finds in a JSON value; what it does not find is none.
func PointedAnswer(value []byte, pointer string) Answer {
	field, err := fieldOf(pointer)
	if err != nil {
		return Answer{}
	}
	value = trim(value)
	if len(value) == 0 || value[0] != '{' {
		return Answer{}
	}
	found, ok := member(value, field.name)
	if !ok || len(found) == 0 {
		return Answer{}
	}
	data, kind, is := dig(nil, found, field.path)
	if is != good {
		return Answer{}
	}
	return Answer{Text: string(data), Kind: kind}
}

// Close ends what the shape's askers have under way.
func (s Shape) Close() error {
	var errs []error
	for _, agent := range s.Agents {
		if c, ok := agent.Asker.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
