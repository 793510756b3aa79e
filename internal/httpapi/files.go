package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
)

const (
	// multipartRoom is what the form around a file may take, in bytes.
	multipartRoom = 64 << 10
	// maxFileName bounds a file's name, in bytes.
	maxFileName = 255
	filePart    = "file"
)

type fileView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"`
	CreatedAt time.Time `json:"createdAt"`
	// What follows is null of an uploaded file.
	FlowID    *string    `json:"flowId"`
	RunID     *string    `json:"runId"`
	Format    *string    `json:"format"`
	Rows      *int64     `json:"rows"`
	ExpiresAt *time.Time `json:"expiresAt"`
	// RemovedAt is when the file's time was over, null while it can be downloaded.
	RemovedAt *time.Time `json:"removedAt"`
}

func viewFile(f *flows.File) fileView {
	v := fileView{
		ID: f.ID, Name: f.Name, Bytes: f.Bytes, SHA256: f.SHA256, CreatedAt: moment(f.CreatedAt), FlowID: orNull(f.FlowID), RunID: orNull(f.RunID),
		Format: orNull(string(f.Format)), ExpiresAt: timeOrNull(f.ExpiresAt), RemovedAt: timeOrNull(f.RemovedAt),
	}
	if f.Format != "" {
		v.Rows = &f.Rows
	}
	return v
}

// uploadFile streams the one part of the form to the spool; nothing of it is
// held in memory beyond a buffer.
func (a *api) uploadFile(r *call) (reply, error) {
	if _, err := r.mediaType("multipart/form-data"); err != nil {
		return reply{}, err
	}
	free, err := a.slot(r)
	if err != nil {
		return reply{}, err
	}
	defer free()
	if r.Request.ContentLength > a.MaxFileBytes+multipartRoom {
		return reply{}, a.uploadFault(&http.MaxBytesError{})
	}
	r.Request.Body = http.MaxBytesReader(r.Writer, r.Request.Body, a.MaxFileBytes+multipartRoom)
	form, err := r.Request.MultipartReader()
	if err != nil {
		return reply{}, fault.Wrap(err, fault.RequestInvalid, "the form has no boundary")
	}
	part, err := form.NextPart()
	if err == io.EOF {
		return reply{}, invalid([]fault.Field{{Pointer: "/" + filePart, Code: fault.RequestFieldMissing, Detail: "must be given"}})
	}
	if err != nil {
		return reply{}, a.uploadFault(err)
	}
	name, err := fileName(part)
	if err != nil {
		return reply{}, err
	}
	upload := &upload{form: form, part: part, left: a.MaxFileBytes, faultOf: a.uploadFault}
	f, err := a.Files.UploadFile(r.ctx(), r.who.Workspace, name, upload)
	if upload.fault != nil {
		return reply{}, upload.fault
	}
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: viewFile(f), location: "/v1/files/" + f.ID}, nil
}

// uploadFault tells what is wrong with a form that cannot be read on.
func (a *api) uploadFault(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.RequestTooLarge, "the file is larger than %d bytes", a.MaxFileBytes)
	}
	if fault.Has(err, fault.RequestTooSlow) {
		return err
	}
	return fault.Wrap(err, fault.RequestInvalid, "the form cannot be read, or broke off before its end")
}

// fileName checks the part that must be the file and gives its name.
func fileName(part *multipart.Part) (string, error) {
	if part.FormName() != filePart {
		return "", unknownPart(part)
	}
	name := part.FileName()
	switch {
	case name == "":
		return "", invalid([]fault.Field{{Pointer: "/" + filePart, Code: fault.RequestFieldInvalid, Detail: "must be a file with a name"}})
	case len(name) > maxFileName || !utf8.ValidString(name) || !printable(name):
		return "", invalid([]fault.Field{{Pointer: "/" + filePart, Code: fault.RequestFieldInvalid,
			Detail: fmt.Sprintf("must have a name of printable characters in UTF-8 of at most %d bytes", maxFileName)}})
	}
	return name, nil
}

func printable(name string) bool {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func unknownPart(part *multipart.Part) error {
	return invalid([]fault.Field{{Pointer: strictjson.Pointer("", shorten(part.FormName())), Code: fault.RequestUnknownField,
		Detail: "the form has one part, \"" + filePart + "\""}})
}

// upload reads the file's part. It looks past the file's end before it tells
// it, so that a form which is cut there, or holds more than the file, is
// refused before anything is stored.
type upload struct {
	form    *multipart.Reader
	part    *multipart.Part
	left    int64
	faultOf func(error) error
	// fault is what went wrong; whoever reads may wrap it in words of their own.
	fault error
}

func (u *upload) Read(p []byte) (int, error) {
	if u.fault != nil {
		return 0, u.fault
	}
	n, err := u.part.Read(p)
	u.left -= int64(n)
	switch {
	case u.left < 0:
		u.fault = u.faultOf(&http.MaxBytesError{})
	case err == io.EOF:
		u.fault = u.atEnd()
	case err != nil:
		u.fault = u.faultOf(err)
	}
	if u.fault != nil {
		return 0, u.fault
	}
	return n, err
}

// atEnd looks for what follows the file; there must be nothing.
func (u *upload) atEnd() error {
	next, err := u.form.NextPart()
	switch {
	case err == io.EOF: // and not errors.Is: a form cut in its last line gives an error that wraps it
		return nil
	case err != nil:
		return u.faultOf(err)
	case next.FormName() == filePart:
		return invalid([]fault.Field{{Pointer: "/" + filePart, Code: fault.RequestFieldInvalid, Detail: "is given twice"}})
	}
	return unknownPart(next)
}

func (a *api) getFile(r *call) (reply, error) {
	id, err := r.id(fault.FileNotFound, "file")
	if err != nil {
		return reply{}, err
	}
	f, err := a.Files.File(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(viewFile(f))
}
