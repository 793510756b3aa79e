package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 64
)

// exchange is what is logged of a request once it is answered. It stands in
// the place of the request's writer, where it costs no look-up.
type exchange struct {
	gin.ResponseWriter
	requestID string
	// address is the caller's, by the rules for trusted proxies.
	address  string
	clientID string
	fault    *fault.Error
	// err is the fault as it came, with everything that wraps it.
	err   error
	stack []byte
	// values are those of headers that every answer has, each at its place; one allocation holds them all.
	values [headerValues]string
}

// The places of exchange.values.
const (
	requestIDValue = iota
	mediaValue
	etagValue
	limitValue
	remainingValue
	resetValue
	headerValues
)

// setHeader sets a header whose name is in canonical form.
func (x *exchange) setHeader(name string, place int, value string) {
	x.values[place] = value
	x.Header()[name] = x.values[place : place+1 : place+1]
}

func exchangeOf(c *gin.Context) *exchange { return c.Writer.(*exchange) }

// Unwrap lets a http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// observe names the request, and logs and counts it once it is answered. It is
// the only place that logs a fault, with its cause.
func (a *api) observe(c *gin.Context) {
	started := a.Now()
	x := &exchange{ResponseWriter: c.Writer, requestID: requestID(c.GetHeader(requestIDHeader)), address: a.addressOf(c)}
	c.Writer = x
	x.setHeader(requestIDHeader, requestIDValue, x.requestID)
	defer func() {
		took := a.Now().Sub(started)
		a.logRequest(c, x, took)
		if a.Observer != nil {
			a.Observer.ObserveRequest(methodLabel(c.Request.Method), openPath(c.FullPath()), c.Writer.Status(), took)
		}
	}()
	c.Next()
}

// methodLabel gives a method of HTTP, "other" for any word that a caller made up.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// requestID takes the caller's id when it is short and plain, so that it can
// stand in a log, and else makes one.
func requestID(given string) string {
	if plainRequestID(given) {
		return given
	}
	return uuid.Must(uuid.NewV7()).String()
}

func plainRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID &&
		strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:") == ""
}

// logRequest writes the one line of a request. The query stays out: it is the
// caller's, and may hold what they did not mean to send.
func (a *api) logRequest(c *gin.Context, x *exchange, took time.Duration) {
	level := levelOf(c, x)
	if !a.Log.Enabled(c.Request.Context(), level) {
		return
	}
	const most = 11
	attrs := append(make([]slog.Attr, 0, most),
		slog.String("requestId", x.requestID), slog.String("method", methodLabel(c.Request.Method)),
		slog.String("path", shorten(shownPath(c.Request.URL.Path))), slog.Int("status", c.Writer.Status()),
		slog.Int("bytes", max(c.Writer.Size(), 0)), slog.Duration("took", took), slog.String("remote", x.address))
	if x.clientID != "" {
		attrs = append(attrs, slog.String("client", x.clientID))
	}
	if x.fault != nil {
		attrs = append(attrs, slog.String("code", string(x.fault.Code)), slog.String("error", x.err.Error()))
	}
	if x.stack != nil {
		attrs = append(attrs, slog.String("stack", string(x.stack)))
	}
	// Where in the program the line comes from says nothing, and finding it out costs.
	line := slog.NewRecord(time.Now(), level, "request", 0)
	line.AddAttrs(attrs...)
	_ = a.Log.Handler().Handle(c.Request.Context(), line) // as a Logger does: there is nowhere to tell of it
}

func levelOf(c *gin.Context, x *exchange) slog.Level {
	switch {
	case c.Writer.Status() >= http.StatusInternalServerError && x.fault != nil && x.fault.Code == fault.Internal:
		return slog.LevelError
	case c.Writer.Status() >= http.StatusInternalServerError:
		return slog.LevelWarn
	case c.FullPath() == "/healthz" || c.FullPath() == "/readyz" || c.FullPath() == "/metrics":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// openPath turns "/v1/flows/:id" into "/v1/flows/{id}".
func openPath(path string) string {
	if !strings.Contains(path, ":") {
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

// recover turns a panic into an internal fault; the process lives. A panic
// after the answer has begun aborts the connection, so that the caller cannot
// take half an answer for a whole one.
func (a *api) recover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, is := p.(error); is && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		exchangeOf(c).stack = debug.Stack()
		err := fault.Wrap(fmt.Errorf("panic: %v", p), fault.Internal, "internal error")
		if c.Writer.Written() {
			exchangeOf(c).fault, exchangeOf(c).err = err, err
			panic(http.ErrAbortHandler)
		}
		a.fail(c, err)
	}()
	c.Next()
}
