package outside

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// Reply is an answer that brings a file, or the rest of one.
type Reply struct {
	Body io.ReadCloser
	// From is the position in the file of the body's first byte.
	From int64
	// Size is the file's size in bytes, -1 when unknown.
	Size int64
	// ETag names this state of the file strongly; "" where nothing does.
	ETag        string
	ContentType string
}

// Opener asks for a file from a byte on, in the state that the ETag names. It
// may answer with the file from its beginning instead.
type Opener func(ctx context.Context, from int64, etag string) (*Reply, error)

const (
	// maxTries bounds the tries in a row that bring no byte.
	maxTries = 5
	// firstPause and longestPause bound the pauses between them, which grow with full jitter.
	firstPause, longestPause = 500 * time.Millisecond, 20 * time.Second
	// longestObeyed is how long a host that asks to wait is waited for here; longer waits are the run's.
	longestObeyed = 30 * time.Second
	headBytes     = 512
)

// Download brings a file to disk.
type Download struct {
	Open Opener
	// What names the file for people, without a query.
	What string
	// Most is the most that is taken, in bytes.
	Most int64
	// Cut takes the first Most bytes of a larger file, and is no fault.
	Cut bool
	// Records says that a web page in the file's place is a fault.
	Records bool
	Now     func() time.Time
}

// To writes the file from a position of f on and gives its size. A broken
// connection is taken up again where it broke, when the host can say that the
// file is still the same, and from the beginning else. Faults: those of Open,
// SourceTooLarge, SourceHTML, SourceRead, SpoolFull.
func (d Download) To(ctx context.Context, f *os.File, at int64) (int64, error) {
	out := &section{file: f, at: at}
	etag, tries := "", 0
	for {
		had := out.size
		done, err := d.try(ctx, out, &etag)
		if err == nil && done {
			return out.size, nil
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if !passes(err) {
			return 0, err
		}
		if tries++; out.size > had {
			tries = 1
		}
		if tries > maxTries {
			return 0, err
		}
		if err := pause(ctx, d.waitAfter(err, tries)); err != nil {
			return 0, err
		}
	}
}

// try reads one answer to its end.
func (d Download) try(ctx context.Context, out *section, etag *string) (done bool, err error) {
	from := int64(0)
	if *etag != "" {
		from = out.size
	}
	reply, err := d.Open(ctx, from, *etag)
	if err != nil {
		if fault.Has(err, fault.SourceChanged) {
			*etag = ""
		}
		return false, err
	}
	defer func() { _ = reply.Body.Close() }()
	if reply.From != out.size || reply.ETag != *etag {
		if err := out.restart(); err != nil {
			return false, err
		}
		if reply.From != 0 {
			*etag = ""
			return false, fault.New(fault.SourceRead, "%s came from another place than was asked for", d.What)
		}
	}
	*etag = reply.ETag
	if reply.Size > d.Most && !d.Cut {
		return false, d.tooLarge()
	}
	if err := d.copy(out, reply); err != nil {
		return false, err
	}
	if d.Cut && out.size >= d.Most {
		return true, nil
	}
	if reply.Size >= 0 && out.size < reply.Size {
		return false, fault.New(fault.SourceRead, "%s broke off after %d of %d bytes", d.What, out.size, reply.Size)
	}
	return true, nil
}

func (d Download) copy(out *section, reply *Reply) error {
	var body io.Reader = reply.Body
	if d.Records && out.size == 0 {
		head := make([]byte, headBytes)
		n, err := io.ReadFull(body, head)
		if n > 0 && LooksLikeHTML(reply.ContentType, head[:n]) {
			return HTMLFault(d.What)
		}
		if _, writeErr := out.Write(head[:n]); writeErr != nil {
			return writeErr
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n < headBytes && reply.Size == int64(n) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return d.broken(err)
		}
	}
	more := d.Most - out.size
	if !d.Cut {
		more++
	}
	n, err := io.Copy(out, io.LimitReader(body, more))
	if n > 0 && out.size > d.Most {
		return d.tooLarge()
	}
	return d.broken(err)
}

func (d Download) tooLarge() error {
	return fault.New(fault.SourceTooLarge, "%s is larger than %d bytes", d.What, d.Most).
		WithHint("the operator can allow more with CONNECTOR_MAX_SOURCE_BYTES")
}

// broken tells of a connection that broke off; the faults of the disk pass.
func (d Download) broken(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fault.Wrap(err, fault.SourceRead, "%s broke off", d.What)
}

// passes reports whether the same request may fare better a little later.
func passes(err error) bool {
	switch fault.CodeOf(err) {
	case fault.SourceRead, fault.SourceUnavailable, fault.SourceRateLimited, fault.SourceChanged, fault.EgressTimeout, fault.EgressUnreachable:
		return true
	}
	return false
}

// waitAfter grows with the tries; a host that says when to come again is obeyed.
func (d Download) waitAfter(err error, tries int) time.Duration {
	if at := fault.From(err).ResumeAt; !at.IsZero() {
		return at.Sub(d.Now())
	}
	return time.Duration(rand.Float64() * float64(min(firstPause<<(tries-1), longestPause)))
}

// pause waits, but not longer than a worker should: then the run waits.
func pause(ctx context.Context, d time.Duration) error {
	if d > longestObeyed {
		return fault.New(fault.SourceRateLimited, "the source asks to wait %s", d.Round(time.Second)).WithResumeAt(time.Now().Add(d))
	}
	return pace.Rest(ctx, max(d, 0))
}

// section is the end of a file, from a position on.
type section struct {
	file *os.File
	at   int64
	size int64
}

// Write implements io.Writer.
func (s *section) Write(p []byte) (int, error) {
	n, err := s.file.WriteAt(p, s.at+s.size)
	s.size += int64(n)
	if err != nil {
		return n, fault.Wrap(err, fault.SpoolFull, "what the source sends cannot be kept on disk").
			WithHint("free space on the disk of CONNECTOR_DATA_DIR")
	}
	return n, nil
}

func (s *section) restart() error {
	s.size = 0
	if err := s.file.Truncate(s.at); err != nil {
		return fault.Wrap(err, fault.SpoolFull, "what the source sends cannot be kept on disk")
	}
	return nil
}

// URLOpener asks for a file of a web server by GET.
func URLOpener(client *http.Client, address, what string, now func() time.Time) Opener {
	return func(ctx context.Context, from int64, etag string) (*Reply, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, fault.New(fault.SourceRefused, "the address cannot be asked for")
		}
		// The file as it is: positions must be those of what is kept.
		req.Header.Set("Accept-Encoding", "identity")
		req.Header.Set("User-Agent", userAgent)
		if from > 0 {
			req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
			req.Header.Set("If-Range", etag)
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, NetworkFault(err, req.URL.Hostname())
		}
		if res.StatusCode == http.StatusRequestedRangeNotSatisfiable {
			_ = res.Body.Close()
			return nil, fault.New(fault.SourceChanged, "%s was changed while it was read", what)
		}
		if err := StatusFault(res, what, now()); err != nil {
			_ = res.Body.Close()
			return nil, err
		}
		return replyOf(res), nil
	}
}

func replyOf(res *http.Response) *Reply {
	r := &Reply{Body: res.Body, Size: res.ContentLength, ETag: res.Header.Get("ETag"), ContentType: res.Header.Get("Content-Type")}
	// A weak tag does not promise the same bytes; a range of packed bytes is one of something else.
	if strings.HasPrefix(r.ETag, "W/") || res.Header.Get("Content-Encoding") != "" {
		r.ETag = ""
	}
	if res.StatusCode == http.StatusPartialContent {
		r.Size, r.From = -1, -1
		// bytes 100-199/200
		span, whole, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Content-Range"), "bytes "), "/")
		first, _, _ := strings.Cut(span, "-")
		if n, err := strconv.ParseInt(first, 10, 64); err == nil {
			r.From = n
		}
		if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
			r.Size = n
		}
	}
	return r
}
