package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// FileContents opens the bytes of files; *spool.Spool is one.
type FileContents interface {
	Open(id string) (file *os.File, size int64, err error)
}

const (
	// downloadPatience is how long a caller may take for downloadStep bytes.
	downloadPatience = 60 * time.Second
	downloadStep     = 256 << 10
)

func (a *api) listFiles(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	q := flows.FileQuery{Workspace: r.who.Workspace, FlowID: r.query.Get("flowId"), RunID: r.query.Get("runId"), Page: flows.Page{Limit: p.ask(), After: p.after}}
	for name, id := range map[string]string{"flowId": q.FlowID, "runId": q.RunID} {
		if r.query.Has(name) && !plausibleID(id) {
			return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter %q is no id", name)
		}
	}
	items, err := a.Files.ListFiles(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(f *flows.File) string { return f.ID }, viewFile)
}

func (a *api) deleteFile(r *call) (reply, error) {
	id, err := r.id(fault.FileNotFound, "file")
	if err != nil {
		return reply{}, err
	}
	if err := a.Files.DeleteFile(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

// getFileContent streams a file or ranges of it. Its ETag is the digest of its
// bytes, so that a download that broke off can go on with If-Range.
func (a *api) getFileContent(r *call) (reply, error) {
	id, err := r.id(fault.FileNotFound, "file")
	if err != nil {
		return reply{}, err
	}
	f, err := a.Files.File(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	if f.IsGone() {
		return reply{}, fault.New(fault.FileGone, "the file %q was kept until %s", f.Name, f.RemovedAt.Format(time.RFC3339)).
			WithHint("run the flow again, or have it keep its files longer with import.keepDays")
	}
	content, _, err := a.FileContents.Open(f.ID)
	if fault.Has(err, fault.FileNotFound) {
		return reply{}, fault.Wrap(err, fault.FileNotFound, "the bytes of the file %q are not on this machine", f.Name).
			WithHint("the processes of the service must share the folder of CONNECTOR_DATA_DIR")
	}
	if err != nil {
		return reply{}, err
	}
	return reply{content: func(w http.ResponseWriter, req *http.Request) {
		defer content.Close()
		h := w.Header()
		h.Set("Content-Type", f.MediaType())
		h.Set("Content-Disposition", disposition(f.Name))
		h.Set(etagHeader, `"`+f.SHA256+`"`)
		out := &patientWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		http.ServeContent(out, req, "", f.CreatedAt, content)
		if out.refused != 0 {
			h.Del("Content-Disposition")
			h.Del("Content-Length")
			a.fail(r.Context, contentRefused(out.refused, f))
		}
	}}, nil
}

// contentRefused tells what net/http refused, in the words of the API.
func contentRefused(status int, f *flows.File) error {
	switch status {
	case http.StatusPreconditionFailed:
		return fault.New(fault.RequestStale, "the content of the file %q is not what the request is about", f.Name).
			WithHint("ask without If-Match and If-Unmodified-Since: the ETag tells what the content is")
	case http.StatusRequestedRangeNotSatisfiable:
		return fault.New(fault.RequestRange, "the file %q has %d bytes, and none of those asked for", f.Name, f.Bytes)
	}
	return fault.New(fault.Internal, "the bytes of the file %q cannot be read", f.Name)
}

// disposition makes a Content-Disposition that every client reads (RFC 6266):
// a plain name for old ones, the whole one in UTF-8 for all others.
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%/`, r) {
			return '_'
		}
		return r
	}, name)
	// PathEscape leaves some characters as they are that may not stand in a header's value.
	encoded := strings.NewReplacer("!", "%21", "'", "%27", "(", "%28", ")", "%29", "*", "%2A", ":", "%3A", "@", "%40", "=", "%3D", "&", "%26",
		"$", "%24", "+", "%2B").Replace(url.PathEscape(name))
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, encoded)
}

// patientWriter gives a slow caller time for as long as it takes something. A
// refusal is held back, so that it can be told as the API tells faults.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	left    int
	// refused is the status of a refusal, 0 without one.
	refused int
}

// WriteHeader implements http.ResponseWriter.
func (w *patientWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.refused = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *patientWriter) Write(p []byte) (n int, err error) {
	if w.refused != 0 {
		return len(p), nil
	}
	for len(p) > 0 {
		if w.left <= 0 {
			// Writers that know no deadline, as those of tests, have none to move.
			_ = w.control.SetWriteDeadline(time.Now().Add(downloadPatience))
			w.left = downloadStep
		}
		k, err := w.ResponseWriter.Write(p[:min(len(p), w.left)])
		n, p = n+k, p[k:]
		w.left -= k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
