package celonissim

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// chunkDocument is a DataPushChunk.
type chunkDocument struct {
	ID           string  `json:"id"`
	CreationDate int64   `json:"creationDate"`
	Type         string  `json:"type"`
	PushJobID    string  `json:"pushJobId"`
	Checksum     *string `json:"checksum"`
}

// multipartSlack is what the frame of an upload may add to its file.
const multipartSlack = 64 << 10

// addChunk takes an upload: multipart/form-data with one part named "file".
func (s *Server) addChunk(kind string) onJob {
	return func(w http.ResponseWriter, r *http.Request, _ *team, p *pool, j *job) {
		if !s.takesChunk(w, j, kind) {
			return
		}
		if r.ContentLength > s.opts.Limits.ChunkBytes+multipartSlack {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		file, ok := s.receiveChunk(w, r)
		if !ok {
			return
		}
		c := &chunk{id: uuid.NewString(), kind: kind, created: s.now(), file: file, bytes: file.size}
		s.mu.Lock()
		open := j.status == statusNew && !j.gone
		if open {
			j.chunks = append(j.chunks, c)
			j.modified = c.created
		}
		s.mu.Unlock()
		if !open {
			file.drop()
			s.refuseClosed(w)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}

// takesChunk answers what can be refused before the body is read.
func (s *Server) takesChunk(w http.ResponseWriter, j *job, kind string) bool {
	s.mu.Lock()
	status := j.status
	s.mu.Unlock()
	switch {
	case status != statusNew:
		s.refuseClosed(w)
	case kind == chunkDelete && !j.isDelta():
		writeInvalid(w, invalid("type", "type.invalid", "chunks of rows to delete need a job of type DELTA"))
	case kind == chunkDelete && len(j.doc.Keys) == 0:
		writeInvalid(w, invalid("keys", "keys.required", "chunks of rows to delete need a job with keys"))
	default:
		return true
	}
	return false
}

func (s *Server) refuseClosed(w http.ResponseWriter) {
	item := invalid("status", "status.invalid", "chunks are accepted only while the status of the job is NEW")
	writeJSON(w, s.opts.Answers.ClosedJobStatus, validationErrors{Errors: []validationItem{item}})
}

// receiveChunk reads the one part of an upload, or answers and says no.
func (s *Server) receiveChunk(w http.ResponseWriter, r *http.Request) (*spooled, bool) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		item := invalid("Content-Type", "contentType.unsupported", "the chunk must be sent as multipart/form-data")
		writeJSON(w, s.opts.Answers.RawChunkStatus, validationErrors{Errors: []validationItem{item}})
		return nil, false
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	part, err := parts.NextPart()
	if err != nil {
		return nil, refuseUpload(w, err, "required request part 'file' is not present")
	}
	if part.FormName() != "file" || part.FileName() == "" {
		return nil, refuseUpload(w, nil, "required request part 'file' is not present")
	}
	file, err := receive(part, s.opts.SpoolDir, max(0, r.ContentLength), s.opts.Limits.ChunkBytes)
	if errors.Is(err, errChunkTooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if err != nil {
		return nil, refuseUpload(w, err, "the upload ended early")
	}
	if _, err := parts.NextPart(); !errors.Is(err, io.EOF) {
		file.drop()
		return nil, refuseUpload(w, nil, "the upload must end after the part 'file'")
	}
	return file, true
}

// refuseUpload answers 400; it gives false for its callers' sake.
func refuseUpload(w http.ResponseWriter, cause error, text string) bool {
	item := invalid("file", "file.invalid", text)
	if cause != nil && !errors.Is(cause, io.EOF) {
		info := cause.Error()
		item.AdditionalInfo = &info
	}
	writeInvalid(w, item)
	return false
}

func (s *Server) listChunks(w http.ResponseWriter, _ *http.Request, _ *team, _ *pool, j *job) {
	s.mu.Lock()
	chunks := slices.Clone(j.chunks)
	s.mu.Unlock()
	list := make([]chunkDocument, 0, len(chunks))
	for _, c := range chunks {
		d := chunkDocument{ID: c.id, CreationDate: c.created.UnixMilli(), Type: c.kind, PushJobID: j.id}
		if sum := c.file.checksum(s.opts.Answers.Checksum); sum != "" {
			d.Checksum = &sum
		}
		list = append(list, d)
	}
	writeJSON(w, http.StatusOK, list)
}

// settle is how long a job waits in a status before the next.
func (s *Server) settle(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
