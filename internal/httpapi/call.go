package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// call is a request whose caller is known.
type call struct {
	*gin.Context
	route Route
	who   access.Principal
	// acting is the request's context with who acts; nil until that is known.
	acting context.Context
	query  url.Values
	// read is the body once it was read; nil before.
	read []byte
	// key is the request's idempotency key; nil without one.
	key *IdempotencyKey
}

// reply is an answer before it is written.
type reply struct {
	status int
	// body is written as JSON; nil writes none.
	body any
	// raw is the body where it is JSON already.
	raw      []byte
	location string
	// revision becomes the ETag; 0 gives none.
	revision int64
	// tag is the ETag of what has no revision.
	tag string
	// kept is what a repeat gets in place of a body that holds a secret; nil is the body.
	kept any
	// replayed says that the request was answered before.
	replayed bool
	// stream writes the body in place of body, in the media type media. Its error breaks the answer off.
	stream func(http.ResponseWriter) error
	media  string
	// content answers by itself, with status and headers of its own.
	content http.HandlerFunc
}

func (r *call) ctx() context.Context {
	if r.acting != nil {
		return r.acting
	}
	return r.Request.Context()
}

// maxID bounds an id in a path, in bytes; ours are UUIDs.
const maxID = 64

// id gives the id in the path. What cannot be an id is not found, in the words
// of the noun, without asking a database that may not be able to say so.
func (r *call) id(notFound fault.Code, noun string) (string, error) {
	id := r.Param("id")
	if !plausibleID(id) {
		return "", fault.New(notFound, "there is no %s %q", noun, shorten(id))
	}
	return id, nil
}

func plausibleID(id string) bool {
	return id != "" && len(id) <= maxID && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}

// shorten cuts a foreign text for a message.
func shorten(s string) string {
	const longest = 100
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}

// readQuery reads the query; an unknown parameter is a fault, since a filter
// that is silently not applied gives a wrong answer.
func (r *call) readQuery() error {
	if r.Request.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.Request.URL.RawQuery)
	if err != nil {
		return fault.Wrap(err, fault.RequestInvalid, "the query cannot be read")
	}
	for name, values := range query {
		if !slices.Contains(r.route.Query, name) && r.route.scim {
			continue // identity providers add parameters of their own
		}
		if !slices.Contains(r.route.Query, name) {
			f := fault.New(fault.RequestUnknownField, "the query parameter %q is not known here", shorten(name))
			if len(r.route.Query) > 0 {
				f = f.WithHint("the query parameters are %s", strings.Join(r.route.Query, ", "))
			}
			return f
		}
		if len(values) > 1 {
			return fault.New(fault.RequestFieldInvalid, "the query parameter %q is given twice", name)
		}
	}
	r.query = query
	return nil
}

// limitBody bounds the body as the route says, and how slowly it may come.
func (r *call) limitBody(pace Pace) {
	if r.Request.Body == nil || r.Request.Body == http.NoBody {
		return
	}
	r.Request.Body = &pacedBody{ReadCloser: r.Request.Body, conn: http.NewResponseController(r.Writer), pace: pace}
	if limit := r.route.bodyLimit(); limit > 0 {
		r.Request.Body = http.MaxBytesReader(r.Writer, r.Request.Body, limit)
	}
}

func (r Route) bodyLimit() int64 {
	if r.maxBody == 0 {
		return MaxBody
	}
	return r.maxBody
}

// body reads the whole body, once. Faults: RequestTooLarge, RequestInvalid when it breaks off.
func (r *call) body() ([]byte, error) {
	if r.read != nil {
		return r.read, nil
	}
	data, err := io.ReadAll(r.Request.Body)
	if err != nil {
		return nil, bodyFault(err)
	}
	r.read = data
	return data, nil
}

// bodyFault tells what went wrong while a body was read.
func bodyFault(err error) error {
	var own *fault.Error
	if errors.As(err, &own) {
		return err
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.RequestTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	}
	return fault.Wrap(err, fault.RequestInvalid, "the body broke off before its end")
}

// mediaType gives the body's media type when it is one of accepted; fault
// RequestMediaType when it is not, has a charset other than UTF-8 or is compressed.
func (r *call) mediaType(accepted ...string) (string, error) {
	if coding := r.GetHeader("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", fault.New(fault.RequestMediaType, "the Content-Encoding %q is not taken", shorten(coding)).WithHint("send the body as it is")
	}
	given := r.GetHeader("Content-Type")
	media, charset := parseMediaType(given)
	if !slices.Contains(accepted, media) || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return "", fault.New(fault.RequestMediaType, "the Content-Type %q is not taken here", shorten(given)).
			WithHint("send %s", strings.Join(accepted, " or "))
	}
	return media, nil
}
