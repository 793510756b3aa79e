package celonis

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
)

// payload is a multipart body of one part: head and tail are prebuilt, the
// chunk between them is read where it lies. It can be opened any number of
// times, so that HTTP/2 may start over.
type payload struct {
	head, tail  []byte
	body        io.ReaderAt
	size        int64
	contentType string
}

// filePart is the name of the part that Celonis Data Push reads.
const filePart = "file"

func newPayload(name string, body io.ReaderAt, size int64) (*payload, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", `form-data; name="`+filePart+`"; filename="`+fileName(name)+`"`)
	header.Set("Content-Type", "application/octet-stream")
	if _, err := w.CreatePart(header); err != nil {
		return nil, err
	}
	split := b.Len()
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &payload{b.Bytes()[:split:split], b.Bytes()[split:], body, size, w.FormDataContentType()}, nil
}

// fileName keeps of a name what needs no escape in a header.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\/`, r) {
			return '_'
		}
		return r
	}, name)
	if name == "" {
		return "chunk"
	}
	return name
}

func (p *payload) length() int64 { return int64(len(p.head)) + p.size + int64(len(p.tail)) }

func (p *payload) open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(p.head), io.NewSectionReader(p.body, 0, p.size), bytes.NewReader(p.tail))), nil
}

// attach makes p the body of r, with a known length.
func (p *payload) attach(r *http.Request) {
	r.Body, _ = p.open()
	r.GetBody = p.open
	r.ContentLength = p.length()
	r.Header.Set("Content-Type", p.contentType)
}
