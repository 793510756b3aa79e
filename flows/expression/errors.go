package expression

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr/file"
)

// Error says what is wrong with an expression, or why it has no value for a
// record. Its message quotes the expression and nothing of the record.
type Error struct {
	// Line and Column count from 1; a column is a character.
	Line, Column int
	Message      string

	cause error
}

// Error gives the sentence and the place.
func (e *Error) Error() string { return fmt.Sprintf("%s at %d:%d", e.Message, e.Line, e.Column) }

// Unwrap gives what the library said, where there is something.
func (e *Error) Unwrap() error { return e.cause }

// errorOf turns an error of the library into ours.
func errorOf(err error) *Error {
	var f *file.Error
	if errors.As(err, &f) {
		return &Error{Line: max(f.Line, 1), Column: f.Column + 1, Message: plain(f.Message), cause: err}
	}
	return &Error{Line: 1, Column: 1, Message: plain(err.Error()), cause: err}
}

// plain takes the library's and Go's words out of a message.
func plain(message string) string {
	if i := strings.IndexByte(message, '\n'); i >= 0 {
		message = message[:i]
	}
	message = strings.NewReplacer(
		"interface conversion: interface {} is ", "the value is ", "interface {}", "any value", "<nil>", "null", " nil", " null",
		"memory budget exceeded", fmt.Sprintf("the expression makes more than %d elements", memoryBudget),
		"compilation failed: expression exceeds maximum allowed nodes", fmt.Sprintf("the expression has more than %d parts", MaxNodes),
		"*"+"expression.meter", "the record",
	).Replace(message)
	if message == "" {
		return "the expression has no value"
	}
	return message
}

// wordFor names the kind of a value.
func wordFor(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case int, int64, float64:
		return "a number"
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "another value"
}
