package celonissim

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// The names of the Standard Data Ingestion routes in journal, counters and faults.
const (
	routeObjectPut   = "ingestion.put"
	routeObjectPost  = "ingestion.multipart"
	routeObjectAbort = "ingestion.abort"
)

// IngestionKey is an access key of a data pool's Data Ingestion app.
type IngestionKey struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// IngestionTable is what the Data Ingestion app knows of a table.
type IngestionTable struct {
	// Connection is the data connection, Table the name.
	Connection string `json:"connectionId"`
	Table      string `json:"table"`
	// Keys are the primary key; of rows with the same the one with the highest AgeColumn wins.
	Keys      []string `json:"keys"`
	AgeColumn string   `json:"ageColumn"`
}

// The alerts of the Data Ingestion app.
const (
	alertNoKey    = "PK NOT FOUND IN INPUT FILE"
	alertNoAge    = "AGE COLUMN NOT FOUND"
	alertMismatch = "DATAPOOL SCHEMA MISMATCH"
)

// SetIngestionTable tells the pool's Data Ingestion app of a table. It panics
// when there is no such pool.
func (s *Server) SetIngestionTable(pool string, t IngestionTable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.findPool(pool)
	if p == nil {
		panic("celonissim: there is no pool " + pool)
	}
	p.ingestion.tables = append(p.ingestion.tables, t)
}

// adminAddIngestionTable tells a pool's Data Ingestion app of a table.
func (s *Server) adminAddIngestionTable(w http.ResponseWriter, r *http.Request) {
	var t IngestionTable
	if !readStrict(w, r, &t) {
		return
	}
	pool := r.PathValue("pool")
	s.mu.Lock()
	known := s.findPool(pool) != nil
	s.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.SetIngestionTable(pool, t)
	writeJSON(w, http.StatusCreated, t)
}

// IngestionAlerts gives the alerts of a pool, oldest first, each with its file's key.
func (s *Server) IngestionAlerts(pool string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.findPool(pool); p != nil {
		return slices.Clone(p.ingestion.alerts)
	}
	return nil
}

// IngestionFiles gives the keys of the files that a pool has received, sorted.
func (s *Server) IngestionFiles(pool string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	if p := s.findPool(pool); p != nil {
		for key := range p.ingestion.files {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// ingestion is a pool's part of Standard Data Ingestion.
type ingestion struct {
	keys    []IngestionKey
	tables  []IngestionTable
	files   map[string]int64
	alerts  []string
	uploads map[string]*multipartUpload
}

func (i *ingestion) forget() {
	i.files, i.alerts, i.uploads = map[string]int64{}, nil, map[string]*multipartUpload{}
}

type multipartUpload struct {
	key   string
	parts map[int][]byte
}

// object is a request for an object that was found to be in order.
type object struct {
	pool       *pool
	key        string
	table      tableKey
	body       []byte
	uploadID   string
	partNumber int
}

func (s *Server) routeIngestion(rt *router) {
	const at = "/api/data-ingestion/continuous/{key...}"
	for method, route := range map[string]string{http.MethodPut: routeObjectPut, http.MethodPost: routeObjectPost, http.MethodDelete: routeObjectAbort} {
		rt.mux.HandleFunc(method+" "+at, s.exchange(route, func(w http.ResponseWriter, r *http.Request) {
			o, refused := s.object(r)
			if refused == nil {
				refused = s.serveObject(w, r, o)
			}
			if refused != nil {
				writeS3Error(w, refused)
			}
		}))
	}
}

// object checks signature, payload and key of a request.
func (s *Server) object(r *http.Request) (*object, *s3Error) {
	sig, refused := readSignature(r, s.now())
	if refused != nil {
		return nil, refused
	}
	p, secret := s.ingestionPool(r, sig.keyID)
	switch {
	case p == nil:
		return nil, s3Refuse(http.StatusForbidden, "InvalidAccessKeyId", "the access key is not known")
	case !sig.check(r, secret):
		return nil, s3Refuse(http.StatusForbidden, "SignatureDoesNotMatch", "the signature of the request does not match")
	}
	note(r).Credential = "ingestion"
	body, refused := readSigned(r, sig, secret, s.opts.Limits.ChunkBytes)
	if refused != nil {
		return nil, refused
	}
	if sum := r.Header.Get("Content-Md5"); sum != "" {
		if got := md5.Sum(body); base64.StdEncoding.EncodeToString(got[:]) != sum {
			return nil, s3Refuse(http.StatusBadRequest, "BadDigest", "the body does not have the MD5 that was given")
		}
	}
	return newObject(r, p, body)
}

func newObject(r *http.Request, p *pool, body []byte) (*object, *s3Error) {
	o := &object{pool: p, key: r.PathValue("key"), body: body, uploadID: r.URL.Query().Get("uploadId")}
	parts := strings.Split(o.key, "/")
	if len(parts) != 4 || parts[0] != "connection" || slices.Contains(parts, "") {
		return nil, s3Refuse(http.StatusForbidden, "AccessDenied", "a key must be connection/{connectionId}/{targetTable}/{fileName}")
	}
	if _, ok := p.source(parts[1]); !ok {
		return nil, s3Refuse(http.StatusForbidden, "AccessDenied", "the access key has no right to the data connection")
	}
	o.table = tableKey{parts[1], parts[2]}
	if text := r.URL.Query().Get("partNumber"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10_000 {
			return nil, s3Refuse(http.StatusBadRequest, "InvalidArgument", "partNumber must be between 1 and 10000")
		}
		o.partNumber = n
	}
	return o, nil
}

// ingestionPool finds the pool of an access key, and its secret.
func (s *Server) ingestionPool(r *http.Request, keyID string) (*pool, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.teamOf(r).pools {
		for _, k := range p.ingestion.keys {
			if k.AccessKeyID == keyID && keyID != "" {
				return p, k.SecretAccessKey
			}
		}
	}
	return nil, ""
}

// serveObject stores an object, whole or in parts.
func (s *Server) serveObject(w http.ResponseWriter, r *http.Request, o *object) *s3Error {
	switch {
	case r.Method == http.MethodPut && o.uploadID == "":
		s.storeObject(o)
		w.Header().Set("ETag", etag(o.body))
		w.WriteHeader(http.StatusOK)
		return nil
	case r.Method == http.MethodPut:
		return s.storePart(w, o)
	case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
		s.beginParts(w, o)
		return nil
	case r.Method == http.MethodPost && o.uploadID != "":
		return s.completeParts(w, o)
	case r.Method == http.MethodDelete && o.uploadID != "":
		s.mu.Lock()
		delete(o.pool.ingestion.uploads, o.uploadID)
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return s3Refuse(http.StatusNotImplemented, "NotImplemented", "the bucket takes PutObject and multipart uploads only")
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// storeObject keeps a file and loads it into its table. What is wrong with it
// becomes an alert: the answer of a PUT does not tell.
func (s *Server) storeObject(o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.pool.ingestion.files[o.key] = int64(len(o.body))
	s.later(o.pool, o.table, s.opts.QueueDelay, func() { s.ingest(o) })
}

func (s *Server) ingest(o *object) {
	alert := func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.pool.ingestion.alerts = append(o.pool.ingestion.alerts, text+" ("+o.key+")")
	}
	s.mu.Lock()
	known := slices.IndexFunc(o.pool.ingestion.tables, func(t IngestionTable) bool {
		return t.Connection == o.table.connection && t.Table == o.table.name
	})
	var t IngestionTable
	if known >= 0 {
		t = o.pool.ingestion.tables[known]
	}
	s.mu.Unlock()
	file := &spooled{data: o.body, size: int64(len(o.body))}
	columns, problem := ingestionColumns(file)
	missing := func(name string) bool { return !slices.Contains(columns, name) }
	switch {
	case problem != "":
		alert(problem)
	case len(t.Keys) == 0 || slices.ContainsFunc(t.Keys, missing):
		alert(alertNoKey)
	case t.AgeColumn == "" || missing(t.AgeColumn):
		alert(alertNoAge)
	default:
		most := maxVarchar
		if err := s.upsertFile(o.pool, upsertFile{table: o.table, file: file, keys: t.Keys, order: t.AgeColumn, fallback: &most}); err != nil {
			alert(alertMismatch + ": " + err.Error())
		}
	}
}

// ingestionColumns gives the columns of a file, or what is wrong with it: it
// must be Parquet without compression.
func ingestionColumns(file *spooled) (columns []string, problem string) {
	at, err := file.reader()
	if err != nil {
		return nil, err.Error()
	}
	opened, err := openParquet(at, file.size)
	if err != nil {
		return nil, err.Error()
	}
	for _, c := range opened.columns() {
		columns = append(columns, c.name)
	}
	if p, ok := opened.(*parquetFile); ok && isCompressed(p.file) {
		return nil, "COMPRESSED INPUT FILE"
	}
	return columns, ""
}

func isCompressed(f *parquet.File) bool {
	for _, group := range f.Metadata().RowGroups {
		for _, c := range group.Columns {
			if c.MetaData.Codec != format.Uncompressed {
				return true
			}
		}
	}
	return false
}

type initiated struct {
	XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
	Bucket   string
	Key      string
	UploadID string `xml:"UploadId"`
}

type completed struct {
	XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
	Bucket  string
	Key     string
	ETag    string
}

type completion struct {
	Part []struct {
		PartNumber int
		ETag       string
	}
}

func (s *Server) beginParts(w http.ResponseWriter, o *object) {
	id := uuid.NewString()
	s.mu.Lock()
	o.pool.ingestion.uploads[id] = &multipartUpload{key: o.key, parts: map[int][]byte{}}
	s.mu.Unlock()
	writeXML(w, http.StatusOK, initiated{Bucket: "continuous", Key: o.key, UploadID: id})
}

func noUpload() *s3Error {
	return s3Refuse(http.StatusNotFound, "NoSuchUpload", "there is no such multipart upload")
}

func (s *Server) storePart(w http.ResponseWriter, o *object) *s3Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := o.pool.ingestion.uploads[o.uploadID]
	if u == nil || u.key != o.key || o.partNumber == 0 {
		return noUpload()
	}
	u.parts[o.partNumber] = o.body
	w.Header().Set("ETag", etag(o.body))
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) completeParts(w http.ResponseWriter, o *object) *s3Error {
	var doc completion
	if err := xml.Unmarshal(o.body, &doc); err != nil || len(doc.Part) == 0 {
		return s3Refuse(http.StatusBadRequest, "MalformedXML", "the list of parts is not readable")
	}
	s.mu.Lock()
	u := o.pool.ingestion.uploads[o.uploadID]
	delete(o.pool.ingestion.uploads, o.uploadID)
	s.mu.Unlock()
	if u == nil || u.key != o.key {
		return noUpload()
	}
	var whole []byte
	for _, part := range doc.Part {
		body, ok := u.parts[part.PartNumber]
		if !ok || strings.Trim(part.ETag, `"`) != strings.Trim(etag(body), `"`) {
			return s3Refuse(http.StatusBadRequest, "InvalidPart", "part %d is not there", part.PartNumber)
		}
		whole = append(whole, body...)
	}
	o.body = whole
	s.storeObject(o)
	writeXML(w, http.StatusOK, completed{Bucket: "continuous", Key: o.key, ETag: etag(whole)})
	return nil
}

func writeXML(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(body)
}

func writeS3Error(w http.ResponseWriter, e *s3Error) {
	type document struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}
	writeXML(w, e.status, document{Code: e.code, Message: e.message, RequestID: fmt.Sprintf("%016X", time.Now().UnixNano())})
}
