package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// adminFetcher brings the records of a list of the admin export APIs.
type adminFetcher struct {
	*Builder
	workspace string
	export    flows.Export
	window    *flows.Window
	start     time.Time
}

var _ Fetcher = (*adminFetcher)(nil)

// adminSource makes the source of an export of what Celonis keeps about a team.
func (b *Builder) adminSource(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	return b.newCaptured(b.adminFetcher(f, r), r), nil
}

func (b *Builder) adminFetcher(f *flows.Flow, r *flows.Run) *adminFetcher {
	start := r.StartedAt
	if start.IsZero() {
		start = b.Now()
	}
	return &adminFetcher{Builder: b, workspace: f.Workspace, export: f.Export, window: r.Options.Window, start: start}
}

// celonisClient opens the connection of an export that is read from Celonis.
func (b *Builder) celonisClient(ctx context.Context, workspace, id string) (*celonis.Client, error) {
	target, err := b.Targets.Target(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	return celonis.New(celonis.Config{Target: target, Transport: b.Transport, Logger: b.Log, Now: b.Now, Shared: b.Limits, Tokens: b.Tokens})
}

// maxReadings bounds how often a list is read until it can be trusted.
const maxReadings = 6

// Fetch implements Fetcher. The lists come in an order that Celonis does not
// promise, and page by page, so that a list which is written to, or given in
// another order, may show a record on two pages and another on none. So a
// reading counts where nothing speaks against it: the total stayed, as many
// records came, and none came twice. Records that are alike may all the same be
// two: then two readings with the same records count.
func (f *adminFetcher) Fetch(ctx context.Context, out *Capture) error {
	from, to, err := f.export.Period(f.window, f.start)
	if err != nil {
		return err
	}
	client, err := f.celonisClient(ctx, f.workspace, f.export.ConnectionID)
	if err != nil {
		return err
	}
	var before adminReading
	for n := range maxReadings {
		r := adminReading{events: f.export.Type.IsEvents(), tells: identifying(f.export.Type), limit: out.limit, alike: map[digest]uint32{}}
		if err := r.begin(f.TempDir); err != nil {
			return err
		}
		r.told, err = f.read(ctx, client, celonis.Period{From: from, To: to}, r.take)
		looked := errors.Is(err, ErrEnough)
		if err == nil || looked {
			switch {
			case looked || r.sound() || n > 0 && r.same(before) && r.whole():
				err = errors.Join(f.deliver(&r, out, to), r.close())
				return err
			case n > 0 && r.same(before) && !r.told.Moved:
				return errors.Join(f.lying(r), r.close())
			}
		}
		if err := errors.Join(err, r.close()); err != nil {
			return err
		}
		before = r
	}
	return fault.New(fault.SourceRead, "%s changed in each of %d readings: celonis gives it in pages, and records moved from page to page", f.export.Type.Words(), maxReadings).
		WithHint("run the flow again when less is going on; a shorter window, by a delta or by from and to, is read faster")
}

// lying: a list whose total and records do not agree however often it is read.
func (f *adminFetcher) lying(r adminReading) error {
	return fault.New(fault.CelonisAnswer, "celonis says that %s has %d records, and gives %d", f.export.Type.Words(), r.told.Total, r.told.Records).
		WithRetry(fault.Never).WithHint("the numbers stayed apart when the list was read again: nothing was pushed; read it with the other API version, or tell Celonis support")
}

func (f *adminFetcher) read(ctx context.Context, c *celonis.Client, p celonis.Period, each func(json.RawMessage) error) (celonis.Told, error) {
	version := celonis.APIVersion(f.export.Version)
	switch f.export.Type {
	case flows.ExportAuditLog:
		return c.AuditLog(ctx, version, p, each)
	case flows.ExportLoginHistory:
		return c.LoginHistory(ctx, p, each)
	case flows.ExportAdoption:
		return c.Adoption(ctx, version, p, each)
	case flows.ExportMembers:
		return c.Members(ctx, f.export.IncludeInternal, each)
	case flows.ExportPermissions:
		return c.Permissions(ctx, each)
	}
	return celonis.Told{}, fault.New(fault.FlowInvalid, "nothing serves the export type %q", f.export.Type)
}

// deliver hands the records of a reading over, and says how far it came: to the
// latest event, but never beyond what was asked for, so that a clock which is
// ahead hides nothing.
func (f *adminFetcher) deliver(r *adminReading, out *Capture, to time.Time) error {
	part, err := out.Part()
	if err != nil {
		return err
	}
	d := f.export.Delta
	var furthest *flows.Furthest
	if d.Follows() && d.Field != "" {
		furthest = d.NewFurthest()
	}
	err = r.each(func(record []byte) error {
		if furthest != nil {
			furthest.Observe(recordText(record, d.Field))
		}
		return part.Append(record)
	})
	switch {
	case err != nil && !errors.Is(err, ErrEnough):
		return err
	case furthest != nil:
		if mark, markErr := furthest.Mark(out.Records()); markErr == nil && mark != "" {
			out.SetWatermark(flows.NotAfter(mark, to))
		}
	case d.Follows():
		out.SetWatermark(to.UTC().Format(time.RFC3339))
	}
	return err
}

// digest tells records apart.
type digest [16]byte

// adminReading is one reading of a list, kept in a file.
type adminReading struct {
	events bool
	// tells lists the members that tell records apart; nil is all of them.
	tells []string
	limit int64
	told  celonis.Told

	file *os.File
	out  *bufio.Writer
	// alike counts the records by their digest, twins those that have one that came before; sum is the same for the same
	// records in any order.
	alike map[digest]uint32
	twins int64
	sum   [2]uint64
}

func (r *adminReading) begin(dir string) error {
	f, err := os.CreateTemp(dir, "list-*.part")
	if err != nil {
		return spoolFault(err)
	}
	_ = os.Remove(f.Name())
	r.file, r.out = f, bufio.NewWriterSize(f, partBuffer)
	return nil
}

func (r *adminReading) close() error {
	r.alike, r.out = nil, nil
	return r.file.Close()
}

// whole reports whether as many records came as Celonis says there are.
func (r *adminReading) whole() bool {
	return !r.told.Moved && (r.told.Total < 0 || r.told.Total == r.told.Records)
}

// sound reports whether nothing speaks against the reading.
func (r *adminReading) sound() bool { return r.whole() && r.twins == 0 }

// same reports whether another reading had the same records.
func (r *adminReading) same(other adminReading) bool {
	return r.sum == other.sum && r.told.Records == other.told.Records && r.told.Total == other.told.Total
}

// take keeps a record: an event with its key.
func (r *adminReading) take(record json.RawMessage) error {
	var value map[string]any
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	if err := d.Decode(&value); err != nil || value == nil {
		return fault.New(fault.CelonisAnswer, "a record in celonis's answer is no JSON object")
	}
	sum, err := digestOf(r.identity(value))
	if err != nil {
		return err
	}
	r.alike[sum]++
	n := r.alike[sum]
	if n > 1 {
		r.twins++
	}
	// A sum that depends on the number of a twin keeps two pairs of twins from hiding each other.
	r.sum[0] += binary.BigEndian.Uint64(sum[:8]) * uint64(2*n-1)
	r.sum[1] += binary.BigEndian.Uint64(sum[8:]) ^ uint64(n)
	if r.events {
		value[flows.EventKeyField] = sum.key(n)
		if r.tells == nil {
			value[flows.EventDataField] = record
		}
		text, err := json.Marshal(value)
		if err != nil {
			return fault.Wrap(err, fault.CelonisAnswer, "a record in celonis's answer is no JSON")
		}
		record = text
	} else if record, err = json.Marshal(value); err != nil {
		return fault.Wrap(err, fault.CelonisAnswer, "a record in celonis's answer is no JSON")
	}
	if _, err := r.out.Write(append(record, '\n')); err != nil {
		return spoolFault(err)
	}
	if r.limit--; r.limit == 0 {
		return ErrEnough
	}
	return nil
}

// identity is what tells a record from others: of events with documented
// members those that say what happened. What Celonis may look up anew with
// every answer, or gives in one version of an API only, stays out of it; events
// that are alike then still have keys of their own.
func (r *adminReading) identity(value map[string]any) map[string]any {
	if r.tells == nil {
		return value
	}
	out := make(map[string]any, len(r.tells))
	for _, name := range r.tells {
		if member, ok := value[name]; ok {
			out[name] = member
		}
	}
	return out
}

// identifying lists the members that tell an event from others; nil is all of them.
func identifying(t flows.ExportType) []string {
	switch t {
	case flows.ExportAuditLog:
		return []string{"timestamp", "userId", "event", "message", "ipAddress", "port", "diffPayload"}
	case flows.ExportLoginHistory:
		return []string{"timestamp", "email", "authenticationEventType", "success"}
	}
	return nil
}

// recordText gives the text of a record's field, "" when it has none: a name
// taken literally, or a JSON Pointer when it begins with a slash.
func recordText(record []byte, field string) string {
	steps := []string{field}
	if rest, ok := strings.CutPrefix(field, "/"); ok {
		steps = strings.Split(rest, "/")
		for i := range steps {
			steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i])
		}
	}
	raw := json.RawMessage(record)
	for _, step := range steps {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return ""
		}
		raw = object[step]
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return text
}

// each gives the records in the order in which they came.
func (r *adminReading) each(take func(record []byte) error) error {
	if err := r.out.Flush(); err != nil {
		return spoolFault(err)
	}
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return spoolFault(err)
	}
	in := bufio.NewReaderSize(r.file, partBuffer)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return spoolFault(err)
		}
		if err := take(bytes.TrimSuffix(line, []byte{'\n'})); err != nil {
			return err
		}
	}
}

// key is the text of EventKeyField for the n-th of the records that are alike.
// All of these have the same time, so that a window with one of them has them
// all, and each has the same number wherever the window begins.
func (d digest) key(n uint32) string {
	text := hex.EncodeToString(d[:])
	if n > 1 {
		text += "-" + strconv.FormatUint(uint64(n), 10)
	}
	return text
}

// digestOf is the same for records that say the same: in whatever order their
// members come, and whether a member is null or missing.
func digestOf(value map[string]any) (digest, error) {
	text, err := json.Marshal(withoutNulls(value))
	if err != nil {
		return digest{}, fault.Wrap(err, fault.CelonisAnswer, "a record in celonis's answer is no JSON")
	}
	sum := sha256.Sum256(text)
	return digest(sum[:len(digest{})]), nil
}

func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			if member != nil {
				out[name] = withoutNulls(member)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, member := range v {
			out[i] = withoutNulls(member)
		}
		return out
	}
	return value
}
