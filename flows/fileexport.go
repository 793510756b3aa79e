package flows

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// Fetched reports whether an export of type file is fetched by its runs: from
// a web server or a bucket. Every other file is there already.
func (e Export) Fetched() bool {
	return e.Type == ExportFile && e.FileID == "" && e.Path == "" && (e.URL != "" || e.ConnectionID != "")
}

// reads lists the API types of the connections that the export may read through.
func (e Export) reads() []connections.APIType {
	switch {
	case e.Type != ExportFile:
		return exportKinds()[e.Type].reads
	case e.URL != "":
		return []connections.APIType{connections.HTTP}
	}
	return []connections.APIType{connections.S3}
}

// connectedExports lists the types of exports that can read through a connection, for the form.
func connectedExports() (types []any) {
	for t, kind := range exportKinds() {
		if len(kind.reads) > 0 {
			types = append(types, t)
		}
	}
	slices.SortFunc(types, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return types
}

// filePlaces is the rule of checkFilePlace.
func filePlaces() form.Schema {
	return form.Schema{"anyOf": []form.Schema{
		form.All(form.Need("fileId"), form.Without("url", "connectionId", "prefix")),
		form.All(form.Need("url"), form.Without("fileId", "prefix")),
		form.All(form.Need("connectionId"), form.Without("fileId", "url")),
	}}
}

// fileDefaults: the watermark of a bucket's files is a text of time and key.
func fileDefaults(e Export) Export {
	if e.Type == ExportFile && e.Delta != nil && e.Delta.Type == "" {
		filled := *e.Delta
		filled.Type = MarkText
		e.Delta = &filled
	}
	return e
}

// checkFilePlace: a file is in one place.
func checkFilePlace(e Export) (fields []fault.Field) {
	places := []struct {
		member string
		given  bool
	}{{"fileId", e.FileID != ""}, {"path", e.Path != ""}, {"url", e.URL != ""}}
	first := ""
	for _, p := range places {
		switch {
		case p.given && first == "":
			first = p.member
		case p.given:
			fields = append(fields, invalid("/export/"+p.member, "cannot be given beside "+first))
		}
	}
	isBucket := first == "" && e.ConnectionID != ""
	switch {
	case first == "" && !isBucket:
		fields = append(fields, missing("/export/fileId", "must name a file uploaded with POST /v1/files, unless url or connectionId tell where files are fetched"))
	case (first == "fileId" || first == "path") && e.ConnectionID != "":
		fields = append(fields, invalid("/export/connectionId", "cannot be given beside "+first))
	}
	if e.Prefix != "" && !isBucket {
		fields = append(fields, invalid("/export/prefix", "belongs to the files of a bucket, which a connection of type s3 names"))
	}
	if e.Delta != nil {
		fields = append(fields, checkFileDelta(*e.Delta, isBucket)...)
	}
	if e.URL != "" {
		fields = append(fields, checkFileURL(e.URL)...)
	}
	return fields
}

// checkFileDelta: what is new of a bucket follows from when its files were written.
func checkFileDelta(d DeltaSpec, isBucket bool) (fields []fault.Field) {
	switch {
	case d.Mode == ReadDelta && !isBucket:
		fields = append(fields, invalid("/export/delta/mode", "reads new files only of the bucket of a connection of type s3"))
	case d.Mode == ReadDelta && d.Field != "":
		fields = append(fields, invalid("/export/delta/field", "has no place here: new files are found by when they were written"))
	case d.Mode == ReadDelta && d.Type != MarkText && d.Type != "":
		fields = append(fields, invalid("/export/delta/type", "must be text: the watermark is the time and the key of a file"))
	}
	return fields
}

func checkFileURL(text string) []fault.Field {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsFunc(text, unicode.IsControl):
		return []fault.Field{invalid("/export/url", "must be a URL that begins with https://")}
	case u.User != nil:
		return []fault.Field{invalid("/export/url", "must not hold a user name or a password: they belong into a connection of type http")}
	case u.Fragment != "":
		return []fault.Field{invalid("/export/url", "must not have a fragment")}
	}
	return nil
}

// checkBelow: what is read through a connection of type http lies below its base URL.
func (e Export) checkBelow(c *connections.Connection) []fault.Field {
	if e.Type != ExportFile || e.URL == "" || c.Outside == nil || Below(e.URL, c.Outside.BaseURL) {
		return nil
	}
	return []fault.Field{invalid("/export/url", "must begin with the base URL of its connection")}
}

// Below reports whether an address lies below a base URL: on the same scheme,
// host and port, and on its path or deeper.
func Below(address, base string) bool {
	a, err := url.Parse(address)
	b, baseErr := url.Parse(base)
	if err != nil || baseErr != nil || a.User != nil || !strings.EqualFold(a.Scheme, b.Scheme) || !strings.EqualFold(authority(a), authority(b)) {
		return false
	}
	for segment := range strings.SplitSeq(a.Path, "/") {
		if segment == ".." || segment == "." {
			return false
		}
	}
	root := strings.TrimRight(b.EscapedPath(), "/")
	path := a.EscapedPath()
	return path == root || strings.HasPrefix(path, root+"/")
}

// authority is host and port, without a port that follows from the scheme.
func authority(u *url.URL) string {
	port := map[string]string{"https": ":443", "http": ":80"}[strings.ToLower(u.Scheme)]
	return strings.TrimSuffix(u.Host, port)
}
