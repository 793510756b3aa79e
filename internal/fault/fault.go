// Package fault is the one error type of the connector: a stable code for
// machines, a sentence and a hint for people, a retry class for the worker and
// a cause for the log. An error of any other type is treated as internal, so
// that a stranger's detail cannot reach a caller by default.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Retry says whether trying the same thing again can help.
type Retry uint8

const (
	// Never: the same call gives the same answer (bad input, wrong key).
	Never Retry = iota
	// Later: a passing fault; try again after a growing wait.
	Later
	// Wait: not a failure; the thing goes on at Error.ResumeAt or when its
	// blocker clears (budget spent, connection offline), and counts no attempt.
	Wait
)

// String gives the class's name as it stands in logs.
func (r Retry) String() string {
	return [...]string{"never", "later", "wait"}[r]
}

// Field is one fault inside a request body.
type Field struct {
	// Pointer is the RFC 6901 JSON Pointer of the value, "" for the whole body.
	Pointer string `json:"pointer"`
	Code    Code   `json:"code"`
	Detail  string `json:"detail"`
}

// Error is a fault with a code. Build one with New or Wrap and refine it with
// the With methods, each of which returns a copy.
type Error struct {
	Code Code
	// Message is a sentence for people: lower case, no full stop, no secret.
	Message string
	// Hint says what to do about it, where that is known.
	Hint string
	// retry overrides the class that the table gives Code when retrySet.
	retry    Retry
	retrySet bool
	// ResumeAt is when trying again makes sense; zero when unknown.
	ResumeAt time.Time
	// Fields are the faults of a request body, all of them.
	Fields []Field
	// Cause is for the log and errors.Is; it never reaches a caller.
	Cause error
}

// New makes a fault. The message is formatted with fmt.Sprintf.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault with a cause. A nil cause gives a fault without one.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.Cause = cause
	return e
}

// Error gives code, sentence and cause: the form for logs, not for callers.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is a fault with the same code, so that
// errors.Is(err, fault.New(fault.RunNotFound, "")) reads as a question about codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Retry gives the retry class: the one set by WithRetry, else the code's own.
func (e *Error) Retry() Retry {
	if e.retrySet {
		return e.retry
	}
	return Describe(e.Code).Retry
}

// WithHint returns a copy with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithRetry returns a copy with another retry class.
func (e *Error) WithRetry(r Retry) *Error {
	c := *e
	c.retry, c.retrySet = r, true
	return &c
}

// WithResumeAt returns a copy that says when trying again makes sense.
func (e *Error) WithResumeAt(t time.Time) *Error {
	c := *e
	c.ResumeAt = t
	return &c
}

// WithFields returns a copy that lists the faults of a body.
func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = append([]Field(nil), fields...)
	return &c
}

// From gives err as a fault: itself when it is or wraps one, else an internal
// fault whose message says nothing of err. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Wrap(err, Internal, "internal error")
}

// CodeOf gives the code of err, Internal for a stranger and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return From(err).Code
}

// Has reports whether err carries the code.
func Has(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// RetryOf gives the retry class of err. A stranger is Later: an unknown error
// may pass, and the attempt limit bounds the tries.
func RetryOf(err error) Retry {
	var e *Error
	if errors.As(err, &e) {
		return e.Retry()
	}
	return Later
}
