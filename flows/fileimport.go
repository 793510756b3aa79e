package flows

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

const (
	// DefaultKeepDays and MaxKeepDays bound how long a file of a run is kept.
	DefaultKeepDays, MaxKeepDays = 7, 365
	// DefaultFileName names the files of a flow by the flow and the time of the run.
	DefaultFileName = "{flow}-{date}-{time}"
	// maxFileName bounds a file's name, in bytes.
	maxFileName = 200
)

// Compression is how a file of text is packed.
type Compression string

// The compressions of files of text; a Parquet file is packed inside.
const (
	CompressNone Compression = "none"
	CompressGzip Compression = "gzip"
	CompressZstd Compression = "zstd"
)

// CSVOutput says how a CSV file is written: in UTF-8, its lines ended by CRLF, quotes doubled.
type CSVOutput struct {
	// Separator absent is a comma.
	Separator string `json:"separator,omitempty" validate:"max=1"`
	// Header false leaves out the line of column names; absent is true.
	Header *bool `json:"header,omitempty"`
	// NullText is what a null is written as, without quotes; absent is nothing, and the empty text is then "".
	NullText string `json:"nullText,omitempty" validate:"max=32"`
	// QuoteAll puts quotes around every value that is not null.
	QuoteAll bool `json:"quoteAll,omitempty"`
}

// filePlaceholders are what the name of a file may hold between braces, with what stands in their place.
func filePlaceholders(f *Flow, r *Run) map[string]string {
	at := r.CreatedAt.UTC()
	return map[string]string{
		"flow": f.Name, "run": r.ID, "date": at.Format("2006-01-02"), "time": at.Format("150405"), "trigger": string(r.Trigger),
	}
}

// fileKind is an import whose rows become a file.
func fileKind() importKind {
	return importKind{
		members: []string{"format", "fileName", "csv", "compression", "keepDays"}, defaults: fileImportDefaults, check: checkFileImport,
	}
}

func fileImportDefaults(i Import) Import {
	if i.FileName == "" {
		i.FileName = DefaultFileName
	}
	if i.KeepDays == 0 {
		i.KeepDays = DefaultKeepDays
	}
	if i.Compression == "" && (i.Format == CSV || i.Format == NDJSON) {
		i.Compression = CompressNone
	}
	if i.Format == CSV {
		var filled CSVOutput
		if i.CSV != nil {
			filled = *i.CSV
		}
		if filled.Separator == "" {
			filled.Separator = ","
		}
		if filled.Header == nil {
			yes := true
			filled.Header = &yes
		}
		i.CSV = &filled
	}
	return i
}

func checkFileImport(i Import) (fields []fault.Field) {
	if i.Format == "" {
		fields = append(fields, missing("/import/format", "must be one of csv, ndjson, parquet"))
	}
	if i.CSV != nil && i.Format != CSV && i.Format != "" {
		fields = append(fields, invalid("/import/csv", "belongs to the format csv only"))
	}
	if i.Compression != "" && i.Format == ParquetFile {
		fields = append(fields, invalid("/import/compression", "has no place here: a Parquet file is packed inside"))
	}
	if c := i.CSV; c != nil {
		fields = append(fields, checkCSVOutput(c)...)
	}
	if _, err := fillName(i.FileName, filePlaceholders(&Flow{}, &Run{})); err != nil {
		fields = append(fields, invalid("/import/fileName", err.Error()))
	}
	return fields
}

func checkCSVOutput(c *CSVOutput) (fields []fault.Field) {
	if s := c.Separator; s != "" && (s[0] >= utf8.RuneSelf || s[0] < ' ' && s != "\t" || strings.ContainsAny(s, "\"\\ \x7f") || isAlnum(s[0])) {
		fields = append(fields, invalid("/import/csv/separator", "must be a punctuation character of ASCII or a tab, and no quote, backslash or space"))
	}
	if strings.ContainsFunc(c.NullText, func(r rune) bool { return unicode.IsControl(r) || r == '"' }) ||
		c.Separator != "" && strings.Contains(c.NullText, c.Separator) || strings.TrimSpace(c.NullText) != c.NullText {
		fields = append(fields, invalid("/import/csv/nullText", "must not hold quotes, control characters or the separator, nor begin or end with a space"))
	}
	return fields
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// fillName puts values in the places of a name's placeholders; an error says what is wrong.
func fillName(template string, values map[string]string) (string, error) {
	var b strings.Builder
	for rest := template; ; {
		text, after, found := strings.Cut(rest, "{")
		b.WriteString(text)
		if !found {
			return b.String(), nil
		}
		name, next, closed := strings.Cut(after, "}")
		value, known := values[name]
		if !closed || !known {
			return "", fmt.Errorf("{%s is none of the placeholders {flow}, {run}, {date}, {time}, {trigger}", shortName(after))
		}
		b.WriteString(value)
		rest = next
	}
}

func shortName(s string) string {
	if len(s) > 20 {
		s = strings.ToValidUTF8(s[:20], "") + "..."
	}
	return s
}

// OutputName is the name of the file that a run makes: what the import says,
// made safe for every file system, with the ending of its format.
func OutputName(f *Flow, r *Run) string {
	name, err := fillName(f.Import.FileName, filePlaceholders(f, r))
	if err != nil { // a stored flow was checked
		name = ""
	}
	return SafeFileName(name, f.Import.extension())
}

// extension is the ending of the files that the import makes.
func (i Import) extension() string {
	ext := "." + string(i.Format)
	switch i.Compression {
	case CompressGzip:
		ext += ".gz"
	case CompressZstd:
		ext += ".zst"
	}
	return ext
}

// SafeFileName makes a name that every file system takes: no separators, no
// control characters, no name of a device, of at most 200 bytes with its
// extension, which is added unless the name has it.
func SafeFileName(name, extension string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		}
		return r
	}, name)
	if len(name) >= len(extension) && strings.EqualFold(name[len(name)-len(extension):], extension) {
		name = name[:len(name)-len(extension)]
	}
	if room := maxFileName - len(extension); len(name) > room {
		name = strings.ToValidUTF8(name[:room], "")
	}
	name = strings.TrimRight(strings.TrimLeft(name, ". "), ". ")
	device, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch {
	case name == "":
		name = "file"
	case slices.Contains([]string{"CON", "PRN", "AUX", "NUL"}, device), len(device) == 4 && (device[:3] == "COM" || device[:3] == "LPT") && device[3] >= '0' && device[3] <= '9':
		name = "_" + name
	}
	return name + extension
}

// MediaType is the media type of a file by its name; application/octet-stream where the name does not tell.
func (f *File) MediaType() string {
	switch path.Ext(strings.ToLower(f.Name)) {
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".ndjson":
		return "application/x-ndjson"
	case ".parquet":
		return "application/vnd.apache.parquet"
	case ".gz":
		return "application/gzip"
	case ".zst":
		return "application/zstd"
	}
	return "application/octet-stream"
}

// IsGone reports whether the file's time is over: what is known of it is kept, its bytes are not.
func (f *File) IsGone() bool { return !f.RemovedAt.IsZero() }

// FileIDs lists the files that a flow reads, each once.
func (s Spec) FileIDs() (ids []string) {
	for _, use := range s.fileUses() {
		if !slices.Contains(ids, use.id) {
			ids = append(ids, use.id)
		}
	}
	return ids
}

// FileQuery selects files of a workspace; "" selects all.
type FileQuery struct {
	Workspace string
	FlowID    string
	RunID     string
	Page      Page
}

// FileLister finds files.
type FileLister interface {
	// Files lists the files that are there, the newest first.
	Files(ctx context.Context, q FileQuery) ([]File, error)
	// FilesOfRuns lists the files that runs have made, those whose time is over among them, in the order of their making.
	FilesOfRuns(ctx context.Context, workspace string, runIDs []string) ([]File, error)
}

// RunFileStore keeps what is known of the files that runs make.
type RunFileStore interface {
	// AddRunFile stores f, a file of the run that the token holds, and publishes it: publish gives the bytes their place and
	// is called while nobody else can claim the run (I2). A file that is stored already is left as it is, and publish is not
	// called. It fills f's flow. Fault RunLeaseLost.
	AddRunFile(ctx context.Context, t Token, f *File, publish func() error) error
	File(ctx context.Context, workspace, id string) (*File, error)
}

// FileSweeper ends the files whose time is over.
type FileSweeper interface {
	// SweepFiles marks at most limit files as removed whose time is over at now and which no flow reads, and gives their number.
	SweepFiles(ctx context.Context, now time.Time, limit int) (int64, error)
	// RemovedFiles lists the files whose bytes may go, in the order of their removal, behind the one given; they are listed
	// for some weeks, so that every process with a spool of its own hears of them.
	RemovedFiles(ctx context.Context, after RemovedFile, limit int) ([]RemovedFile, error)
	// DeadPushes gives those of the pushes that no run will go on with, and whether a file was made of each.
	DeadPushes(ctx context.Context, pushIDs []string) (map[string]bool, error)
}

// RemovedFile is a file whose bytes may go.
type RemovedFile struct {
	ID        string
	RemovedAt time.Time
}

// ListFiles lists the files that are there, the newest first.
func (s *Service) ListFiles(ctx context.Context, q FileQuery) ([]File, error) {
	return s.Files.Files(ctx, q)
}

// FilesOfRuns lists what runs have made, those whose time is over among them.
func (s *Service) FilesOfRuns(ctx context.Context, workspace string, runIDs []string) ([]File, error) {
	return s.Files.FilesOfRuns(ctx, workspace, runIDs)
}

// DeleteFile removes a file. Faults: FileNotFound, FileInUse while a flow or a run that has not ended reads it.
func (s *Service) DeleteFile(ctx context.Context, workspace, id string) error {
	if err := s.Files.DeleteFile(ctx, workspace, id); err != nil {
		return err
	}
	if err := s.Spool.Remove(id); err != nil {
		s.Log.WarnContext(ctx, "the bytes of a deleted file stay for now", "file", id, "error", err)
	}
	return nil
}

// fileImportHints are those of an import of type file.
func fileImportHints() []form.Hint {
	isFile := form.Is("type", ImportFile)
	isText := form.Is("format", CSV, NDJSON)
	return []form.Hint{
		{
			Path: "/format", Label: "Format", ShowWhen: []form.When{isFile}, Help: "How the file's rows are written.",
			Titles: map[string]string{string(CSV): "CSV", string(NDJSON): "A JSON object on each line", string(ParquetFile): "Parquet"},
		},
		{
			Path: "/fileName", Label: "File name", ShowWhen: []form.When{isFile}, Default: DefaultFileName, Example: "orders-{date}",
			Refine: form.Schema{"pattern": `^(?:[^{]|\{(?:flow|run|date|time|trigger)\})*$`},
			Help:   "What a run's file is called. {flow}, {run}, {date}, {time} and {trigger} stand for those of the run; the ending is added.",
		},
		{Path: "/csv", Label: "CSV", ShowWhen: []form.When{isFile, form.Is("format", CSV)}, Help: "How the CSV file is written."},
		{
			Path: "/csv/separator", Label: "Separator", Default: ",", Help: "The character between cells.", Example: ";",
			Refine: form.Schema{"pattern": `^[\t!#$%&'()*+,\-./:;<=>?@\[\]^_` + "`" + `{|}~]?$`},
		},
		{Path: "/csv/header", Label: "Header line", Default: true, Help: "Whether the first line names the columns."},
		{
			Path: "/csv/nullText", Label: "Null", Help: "What a null is written as, without quotes. Left out, it is nothing, and an empty text is two quotes.", Example: "NULL",
			Refine: form.Schema{"pattern": `^(?:[^\s"\x00-\x1f\x7f](?:[^"\x00-\x1f\x7f]*[^\s"\x00-\x1f\x7f])?)?$`},
		},
		{Path: "/csv/quoteAll", Label: "Quote all", Default: false, Help: "Whether every value that is not null gets quotes."},
		{
			Path: "/compression", Label: "Compression", ShowWhen: []form.When{isFile, isText}, Default: CompressNone, Help: "How a file of text is packed.",
			Titles: map[string]string{string(CompressNone): "None", string(CompressGzip): "gzip", string(CompressZstd): "zstd"},
		},
		{Path: "/keepDays", Label: "Days that files are kept", ShowWhen: []form.When{isFile}, Default: DefaultKeepDays, Help: "How long a file can be downloaded. One that a flow reads stays until none does."},
	}
}

// fileImportRules: options belong to the formats that have them.
func fileImportRules() []form.Schema {
	return []form.Schema{form.If(map[string]any{"type": ImportFile}, form.All(form.Need("format"),
		form.Schema{"if": form.Schema{"required": []string{"csv"}}, "then": form.Schema{"properties": form.Schema{"format": form.Schema{"const": CSV}}}},
		form.If(map[string]any{"format": ParquetFile}, form.Without("compression"))))}
}
