package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	mediaEvents = "text/event-stream"
	// DefaultHeartbeat is after how long without an event a comment shows that the stream is alive.
	DefaultHeartbeat = 15 * time.Second
	// eventPatience is how long a caller may take for an event.
	eventPatience = 30 * time.Second
	// longestStream ends a stream no later than the token it was opened with; the caller comes back with a new one.
	longestStream = 15 * time.Minute
	// reconnectAfter is what a caller waits before it comes back, in milliseconds.
	reconnectAfter = "2000"
	// farAhead bounds what a caller may claim to have seen.
	farAhead = 24 * time.Hour
)

// Watches let callers follow runs; *flows.Watches is one.
type Watches interface {
	Watch(ctx context.Context, ask flows.WatchRequest) (*flows.Watch, error)
}

var _ Watches = (*flows.Watches)(nil)

// progressView is how far an attempt is.
type progressView struct {
	Stage         flows.RunStage `json:"stage"`
	At            time.Time      `json:"at"`
	Read          int64          `json:"read"`
	Filtered      int64          `json:"filtered"`
	Errored       int64          `json:"errored"`
	Accepted      int64          `json:"accepted"`
	Chunks        int64          `json:"chunks"`
	Bytes         int64          `json:"bytes"`
	InputBytes    int64          `json:"inputBytes"`
	InputSize     *int64         `json:"inputSize"`
	RowsPerSecond int64          `json:"rowsPerSecond"`
}

func viewProgress(p *flows.Progress) *progressView {
	if p == nil {
		return nil
	}
	v := &progressView{
		Stage: p.Stage, At: moment(p.At), Read: p.Read, Filtered: p.Filtered, Errored: p.Errored, Accepted: p.Accepted,
		Chunks: p.Chunks, Bytes: p.Bytes, InputBytes: p.InputBytes, RowsPerSecond: int64(max(p.RowsPerSecond, 0)),
	}
	if p.InputSize > 0 {
		v.InputSize = &p.InputSize
	}
	return v
}

// streamRunEvents follows a run until it ends. The first event is always the
// run as it is, so a caller that comes back misses nothing that matters.
func (a *api) streamRunEvents(r *call) (reply, error) {
	id, err := r.runID()
	if err != nil {
		return reply{}, err
	}
	watch, err := a.Watches.Watch(r.ctx(), flows.WatchRequest{Workspace: r.who.Workspace, RunID: id, Client: r.who.ClientID})
	if err != nil {
		return reply{}, err
	}
	r.Header("X-Accel-Buffering", "no") // a proxy that collects events defeats them
	return reply{status: http.StatusOK, media: mediaEvents, stream: func(w http.ResponseWriter) error {
		defer watch.Close()
		a.writeRunEvents(r, w, watch)
		return nil // whatever ends a stream, the caller knows how to go on
	}}, nil
}

// writeRunEvents writes what is new until the run ends, the caller goes or the service stops.
func (a *api) writeRunEvents(r *call, w http.ResponseWriter, watch *flows.Watch) {
	e := newEventWriter(w, r.GetHeader("Last-Event-ID"), a.Now())
	if e.write("retry: "+reconnectAfter+"\n\n") != nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx(), longestStream)
	defer cancel()
	for {
		s, err := a.nextEvent(ctx, watch)
		switch {
		case r.ctx().Err() != nil:
			return
		case ctx.Err() != nil:
			_ = e.comment("the token may have ended: come back")
			return
		case errors.Is(err, context.DeadlineExceeded):
			err = e.comment("alive")
		case errors.Is(err, flows.ErrWatchStopped):
			_ = e.comment("the service is stopping: come back")
			return
		case err != nil:
			_ = e.comment("the run cannot be followed any more")
			return
		default:
			err = e.tell(s)
		}
		if err != nil || s.Run != nil && s.Run.State.Ended() {
			return
		}
	}
}

func (a *api) nextEvent(ctx context.Context, watch *flows.Watch) (flows.Sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Heartbeat)
	defer cancel()
	return watch.Next(ctx)
}

// eventWriter writes server-sent events, each with an id above all before it,
// in whichever process these were written.
type eventWriter struct {
	w       io.Writer
	control *http.ResponseController
	last    int64
}

// newEventWriter lifts the deadlines of the server, which are for answers that
// end: each event has one of its own.
func newEventWriter(w http.ResponseWriter, seen string, now time.Time) *eventWriter {
	e := &eventWriter{w: w, control: http.NewResponseController(w), last: now.UnixMicro()}
	// Writers that know no deadline, as those of tests, have none to move.
	_ = e.control.SetReadDeadline(time.Time{})
	if n, err := strconv.ParseInt(seen, 10, 64); err == nil && n > e.last && n < now.Add(farAhead).UnixMicro() {
		e.last = n
	}
	return e
}

func (e *eventWriter) tell(s flows.Sighting) error {
	if s.Run != nil {
		if err := e.event("state", viewRun(s.Run)); err != nil {
			return err
		}
	}
	if s.Progress != nil {
		if err := e.event("progress", viewProgress(s.Progress)); err != nil {
			return err
		}
	}
	if s.Run != nil && s.Run.State.Ended() {
		return e.event("end", endView{s.Run.State})
	}
	return nil
}

// endView is the last event of a stream.
type endView struct {
	State flows.State `json:"state"`
}

// event writes an event whose data is one line of JSON.
func (e *eventWriter) event(name string, data any) error {
	text, err := encode(data)
	if err != nil {
		return err
	}
	e.last++
	return e.write("id: " + strconv.FormatInt(e.last, 10) + "\nevent: " + name + "\ndata: " + string(bytes.TrimSpace(text)) + "\n\n")
}

func (e *eventWriter) comment(text string) error { return e.write(": " + text + "\n\n") }

func (e *eventWriter) write(text string) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(eventPatience))
	if _, err := io.WriteString(e.w, text); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the caller has gone")
	}
	return e.control.Flush()
}
