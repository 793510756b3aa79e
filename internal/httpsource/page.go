package httpsource

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// page is an answer that was read whole and understood.
type page struct {
	*spooled
	url *url.URL
	// records and sum tell how many records the page has, and which.
	records int
	sum     [sha256.Size]byte
	// link leads to the next page; next, token, more and count are the values that the paths of the paging lead to.
	link                     string
	next, token, more, count json.RawMessage
	walk                     func(func([]byte) error) error
}

// each hands the page's records over.
func (p *page) each(take func([]byte) error) error { return p.walk(take) }

// hasMore reads whether the source says that there is another page.
func (p *page) hasMore(path string) (more, told bool) {
	if path == "" {
		return false, false
	}
	switch text := scalarText(p.more); strings.ToLower(text) {
	case "", "false", "0", "no", "n":
		return false, true
	}
	return true, true
}

// total reads how many records the source says there are.
func (p *page) total(path string) (n int64, known bool) {
	if path == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(scalarText(p.count), 10, 64)
	return n, err == nil
}

const (
	// acceptEncoding lists the content encodings that are undone.
	acceptEncoding = "gzip, deflate, zstd"
	// snippetBytes is how much of an answer that is no page is looked at, snippetShown how much is told.
	snippetBytes, snippetShown = 64 << 10, 300
)

// read takes an answer in. Nothing of it counts before it is whole.
func (c *Client) read(res *http.Response, r *reading) (*page, error) {
	if res.StatusCode < 200 || res.StatusCode > 299 {
		head := c.snippet(res)
		r.look(res, head, answered{size: int64(len(head))})
		if isHTML(res.Header, head) && res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
			return nil, c.htmlOr(res, head)
		}
		return nil, c.statusFault(res, c.quote(head))
	}
	body := &spooled{dir: c.TempDir}
	if err := c.take(res, body); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	got := &page{spooled: body, url: res.Request.URL, link: nextLink(res.Header.Values("Link"))}
	err := c.understand(res, r, got)
	r.look(res, body.head(snippetBytes), answered{body.size, got.records})
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return got, nil
}

// take reads an answer's body whole, without its content encoding.
func (c *Client) take(res *http.Response, into *spooled) error {
	in, err := decoded(res)
	if err != nil {
		return err
	}
	_, err = io.Copy(into, io.LimitReader(in, c.MaxPage+1))
	switch {
	case errors.Is(err, errSpool):
		return spoolFault(err)
	case err != nil:
		return c.networkFault(err)
	case into.size > c.MaxPage:
		return fault.New(fault.SourceTooLarge, "a page of the source is larger than %d bytes", c.MaxPage).
			WithHint("ask for smaller pages")
	}
	return nil
}

func decoded(res *http.Response) (io.Reader, error) {
	var in io.Reader = res.Body
	for _, name := range encodings(res.Header) {
		var err error
		switch name {
		case "", "identity":
		case "gzip", "x-gzip":
			in, err = gzip.NewReader(in)
		case "deflate":
			in, err = zlib.NewReader(in)
		case "zstd":
			in, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		default:
			return nil, fault.New(fault.SourceFormat, "the source answers in the content encoding %q, which was not asked for", short(name, 40))
		}
		if err != nil {
			return nil, &again{fault.New(fault.SourceTruncated, "the source's answer ends before its content encoding %q begins", name).WithRetry(fault.Later), time.Time{}, false}
		}
	}
	return in, nil
}

// encodings lists what was done to a body, the last one first.
func encodings(h http.Header) []string {
	var names []string
	for _, name := range strings.Split(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		names = append([]string{strings.ToLower(strings.TrimSpace(name))}, names...)
	}
	return names
}

// understand finds the records of a page and what leads to the next one.
func (c *Client) understand(res *http.Response, r *reading, got *page) error {
	if res.StatusCode == http.StatusNoContent {
		got.walk = func(func([]byte) error) error { return nil }
		return nil
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch format(r.job.Export.Format, media) {
	case flows.CSV:
		got.walk = func(take func([]byte) error) error { return csvRecords(got.open(), r.job.Export, take) }
	case flows.NDJSON:
		got.walk = func(take func([]byte) error) error { return ndjsonRecords(got.open(), take) }
	default:
		s := newScan(got, r.job.Export)
		got.walk = s.records
	}
	sum := sha256.New()
	if err := got.walk(counting(got, sum)); err != nil {
		return c.formatFault(res, r, got, err)
	}
	sum.Sum(got.sum[:0])
	return nil
}

func counting(got *page, sum hash.Hash) func([]byte) error {
	return func(record []byte) error {
		got.records++
		sum.Write(record)
		sum.Write([]byte{'\n'})
		return nil
	}
}

// format is how a page is written: as the export says, else as the answer does.
func format(said flows.Format, media string) flows.Format {
	switch media {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
		return cmp.Or(said, flows.NDJSON)
	case "text/csv", "application/csv":
		return cmp.Or(said, flows.CSV)
	}
	return cmp.Or(said, flows.JSON)
}

// formatFault says what is wrong with a page that cannot be understood.
func (c *Client) formatFault(res *http.Response, r *reading, got *page, err error) error {
	head := got.head(snippetBytes)
	number := r.result.Pages + 1
	if isHTML(res.Header, head) {
		return c.htmlFault(res, head)
	}
	var cut *truncated
	if errors.As(err, &cut) {
		return &again{fault.New(fault.SourceTruncated, "page %d of the source ends in the middle, at byte %d", number, got.size).WithRetry(fault.Later), time.Time{}, false}
	}
	var bad *syntax
	if errors.As(err, &bad) {
		f := fault.New(fault.SourceFormat, "page %d of the source is no %s at byte %d: %s", number, bad.format, bad.offset, bad.what)
		if media := res.Header.Get("Content-Type"); media != "" {
			f = f.WithHint("the source says that the answer is %q", short(c.redact.text(media), 100))
		}
		return f
	}
	f := *fault.From(err)
	if f.Code != fault.Internal {
		f.Message = "page " + strconv.Itoa(number) + ": " + f.Message
	}
	return &f
}

var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// isHTML reports whether an answer is a web page.
func isHTML(h http.Header, head []byte) bool {
	text := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(head[:min(len(head), 512)], []byte("\xef\xbb\xbf")), " \t\r\n")))
	if strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html") {
		return true
	}
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return (media == "text/html" || media == "application/xhtml+xml") && strings.HasPrefix(text, "<")
}

// htmlOr says that a web page came, where the status does not say it better.
func (c *Client) htmlOr(res *http.Response, head []byte) error {
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return c.statusFault(res, c.titled(head))
	}
	return c.htmlFault(res, head)
}

func (c *Client) htmlFault(res *http.Response, head []byte) error {
	where := c.redact.text(res.Request.Method + " " + res.Request.URL.EscapedPath())
	return fault.New(fault.SourceHTML, "the source answers %q with a web page, status %d%s", where, res.StatusCode, c.titled(head)).
		WithHint("this is often a login page, or the address of an application instead of its API; look at export.request.url and the connection's login")
}

func (c *Client) titled(head []byte) string {
	if m := htmlTitle.FindSubmatch(head); m != nil {
		return ", titled " + strconv.Quote(short(c.redact.text(html.UnescapeString(string(m[1]))), 100))
	}
	return ""
}

// snippet reads the head of an answer that is no page.
func (c *Client) snippet(res *http.Response) []byte {
	in, err := decoded(res)
	if err != nil {
		return nil
	}
	head, _ := io.ReadAll(io.LimitReader(in, snippetBytes)) // what is there helps, whatever broke
	return head
}

// quote shows the beginning of what an API says of a fault.
func (c *Client) quote(head []byte) string {
	text := short(c.redact.text(string(head)), snippetShown)
	if text == "" {
		return ""
	}
	return ": " + strconv.Quote(text)
}
