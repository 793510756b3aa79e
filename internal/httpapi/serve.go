package httpapi

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

const (
	locationHeader = "Location"
	etagHeader     = "Etag" // as net/http writes it
	// countedByServer is the length up to which net/http counts a body by itself.
	countedByServer = 2<<10 - 1
)

// answer is a reply as it goes out. Its headers are "" when they are not there.
type answer struct {
	status   int
	location string
	etag     string
	replayed string
	body     []byte
	// keep is what is kept for repeats in place of a body that holds a secret; nil is the body.
	keep   []byte
	stream func(http.ResponseWriter) error
	media  string
	// content answers by itself.
	content http.HandlerFunc
}

// serve makes the handler of a route: who calls and may they, what do they
// ask, has it been answered before, and at last the handler itself.
func (a *api) serve(route Route) gin.HandlerFunc {
	if route.plain != nil {
		return a.plainly(route)
	}
	return func(c *gin.Context) {
		r := &call{Context: c, route: route}
		out, err := a.answer(r)
		if err != nil {
			a.fail(c, err)
			return
		}
		out.headers(exchangeOf(c))
		if out.content != nil {
			out.content(c.Writer, c.Request)
			c.Writer.WriteHeaderNow()
			return
		}
		if out.stream != nil {
			a.writeStream(c, out)
			return
		}
		write(c, out.status, route.writes(), out.body)
	}
}

// writeStream writes an answer of any length. One that breaks off ends the
// connection, so that the caller cannot take a part for the whole.
func (a *api) writeStream(c *gin.Context, out *answer) {
	c.Header("Content-Type", out.media)
	c.Status(out.status)
	c.Writer.WriteHeaderNow()
	if err := out.stream(c.Writer); err != nil {
		x := exchangeOf(c)
		x.fault, x.err = fault.From(err), err
		panic(http.ErrAbortHandler)
	}
}

func (a *api) answer(r *call) (*answer, error) {
	if err := a.authorize(r); err != nil {
		return nil, err
	}
	if err := a.spend(r); err != nil {
		return nil, err
	}
	if err := r.readQuery(); err != nil {
		return nil, err
	}
	r.limitBody(a.limits.pace)
	if key := r.GetHeader(idempotencyHeader); key != "" && r.route.Idempotent {
		return a.answerOnce(r, key)
	}
	return a.answerNow(r)
}

func (a *api) answerNow(r *call) (*answer, error) {
	rep, err := r.route.handle(r)
	if err != nil {
		return nil, err
	}
	return rep.answer()
}

func (out *answer) headers(x *exchange) {
	if out.etag != "" {
		x.setHeader(etagHeader, etagValue, out.etag)
	}
	if out.location != "" {
		x.Header().Set(locationHeader, out.location)
	}
	if out.replayed != "" {
		x.Header().Set(replayedHeader, out.replayed)
	}
}

// answer makes the bytes and headers of a reply.
func (rep reply) answer() (*answer, error) {
	out := &answer{status: rep.status, location: rep.location, stream: rep.stream, media: rep.media, content: rep.content}
	if rep.revision != 0 {
		out.etag = etag(rep.revision)
	}
	if rep.tag != "" {
		out.etag = rep.tag
	}
	if rep.replayed {
		out.replayed = "true"
	}
	if rep.body == nil {
		out.body = rep.raw
		return out, nil
	}
	var err error
	if rep.kept != nil {
		if out.keep, err = encode(rep.kept); err != nil {
			return nil, err
		}
	}
	out.body, err = encode(rep.body)
	return out, err
}

// encode writes JSON without escapes for HTML, which nobody embeds it in.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the answer cannot be written")
	}
	return b.Bytes(), nil
}

// write sends an answer; without a body it has no Content-Type.
func write(c *gin.Context, status int, contentType string, body []byte) {
	if len(body) == 0 {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return
	}
	exchangeOf(c).setHeader("Content-Type", mediaValue, contentType)
	if len(body) > countedByServer {
		c.Header("Content-Length", strconv.Itoa(len(body)))
	}
	c.Status(status)
	_, _ = c.Writer.Write(body) // a caller that has gone needs no answer
}

func ok(body any) (reply, error) { return reply{status: http.StatusOK, body: body}, nil }

// parseMediaType gives a media type, in lower case, and its charset; "" when there is none.
func parseMediaType(header string) (media, charset string) {
	media, params, err := mime.ParseMediaType(header)
	if err != nil {
		return "", ""
	}
	return media, params["charset"]
}
