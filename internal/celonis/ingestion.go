package celonis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/minio/minio-go/v7"
	s3keys "github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// The S3 endpoint of Standard Data Ingestion is <base>/api/data-ingestion and its bucket is "continuous". The S3 client
	// takes endpoints without a path only, so the first segment stands where it expects the bucket and the rest leads the
	// key: in path style the request and its signature are the same.
	ingestionBucket = "api"
	ingestionPrefix = "data-ingestion/continuous/connection/"
	// ingestionRegion is signed; Celonis takes any.
	ingestionRegion = "us-east-1"
	// maxIngestion is the most that goes into one PutObject, in bytes: S3's own limit is 5 GiB.
	maxIngestion = MaxChunkBytes
)

// DataIngestion puts files into the bucket of the Standard Data Ingestion API,
// where Celonis finds and upserts them. It is safe for concurrent use.
type DataIngestion struct {
	s3     *minio.Core
	redact *redactor
	now    func() time.Time
	retry  RetryPolicy
}

// NewDataIngestion makes a client of the target's access key; fault
// ConnectionSecretRequired when the target has none.
func NewDataIngestion(cfg Config) (*DataIngestion, error) {
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	keys := cfg.Target.Ingestion
	if keys == nil || keys.AccessKeyID.IsZero() || keys.SecretAccessKey.IsZero() {
		return nil, fault.New(fault.ConnectionSecretRequired, "the connection has no access key for data ingestion").
			WithHint("make one in the Data Ingestion app of the data pool in Celonis and give it as accessKeyId and secretAccessKey of the connection")
	}
	cfg = cfg.withSettings().withDefaults()
	core, err := minio.NewCore(c.base.Host, &minio.Options{
		Creds:        s3keys.NewStaticV4(keys.AccessKeyID.Reveal(), keys.SecretAccessKey.Reveal(), ""),
		Secure:       c.base.Scheme == "https",
		Transport:    ingestionTransport(cfg),
		Region:       ingestionRegion,
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1,
	})
	if err != nil {
		return nil, fault.Wrap(c.redact.quiet(err), fault.ConnectionDomain, "the connection's base URL cannot be an endpoint of data ingestion")
	}
	d := &DataIngestion{s3: core, redact: newRedactor(keys.SecretAccessKey), now: cfg.Now, retry: cfg.Retry}
	d.redact.also(newRedactor(keys.AccessKeyID))
	d.redact.also(c.redact)
	return d, nil
}

// ingestionTransport is the part of the chain that suits requests which carry
// a signature of their own: their headers and tries are the S3 client's.
func ingestionTransport(cfg Config) http.RoundTripper {
	return &limiting{limits: cfg.Limits, next: &bounding{next: cfg.Transport}}
}

// IngestionFile is a Parquet file without compression.
type IngestionFile struct {
	// DataConnectionID and Table say where its rows go.
	DataConnectionID, Table string
	// Name is the file's; the same name again replaces the file.
	Name string
	Body []byte
}

// Put stores a file. Doing it again with the same name does what doing it once
// does, so that no fault needs more than another try. Faults:
// CelonisUnauthorized for the access key, CelonisForbidden, CelonisRateLimited
// with when to come again, CelonisNotFound, CelonisRejected, CelonisServer,
// CelonisDisconnected and egress faults.
func (d *DataIngestion) Put(ctx context.Context, f IngestionFile) error {
	if len(f.Body) == 0 || len(f.Body) > maxIngestion {
		return fault.New(fault.CelonisTooLarge, "a file must have 1 to %d bytes, not %d", maxIngestion, len(f.Body))
	}
	for _, part := range []string{f.DataConnectionID, f.Table, f.Name} {
		if part == "" || part == "." || part == ".." || strings.Contains(part, "/") {
			return fault.New(fault.CelonisNotFound, "%q cannot be a part of a file's key in celonis", part)
		}
	}
	tctx, cancel := context.WithTimeout(ctx, d.retry.forUpload(int64(len(f.Body))))
	defer cancel()
	sum := sha256.Sum256(f.Body)
	key := ingestionPrefix + f.DataConnectionID + "/" + f.Table + "/" + f.Name
	// The length and the hash of the body are known, so it is signed and sent as it is, not in signed pieces.
	_, err := d.s3.PutObject(tctx, ingestionBucket, key, bytes.NewReader(f.Body), int64(len(f.Body)), "", hex.EncodeToString(sum[:]),
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true})
	if err == nil {
		return nil
	}
	return d.fault(ctx, err)
}

// slowDown is S3's code for a spent rate.
const slowDown = "SlowDown"

func (d *DataIngestion) fault(ctx context.Context, err error) error {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return transportFault(ctx, d.redact, err)
	}
	words := d.redact.words(strings.Join(strings.Fields(answer.Code+" "+answer.Message), " "))
	refusal := func(code fault.Code, format string, args ...any) *fault.Error {
		e := fault.Wrap(d.redact.quiet(err), code, format, args...)
		if words != "" {
			e.Message += ": celonis says \"" + words + "\""
		}
		return e
	}
	switch status := answer.StatusCode; {
	case status == http.StatusTooManyRequests || answer.Code == slowDown:
		return refusal(fault.CelonisRateLimited, "celonis's rate limit is reached at the request to store a file").WithResumeAt(d.now().Add(unknownWait))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return refusal(accessCode(answer.Code), "celonis does not accept the access key at the request to store a file").
			WithHint("make another access key in the Data Ingestion app of the data pool in Celonis and give it to the connection")
	case status == http.StatusNotFound:
		return refusal(fault.CelonisNotFound, "celonis has no bucket for the files of data ingestion").
			WithHint("Standard Data Ingestion may not be enabled for the team, or the data connection is not one of the pool")
	case status == http.StatusRequestEntityTooLarge:
		return refusal(fault.CelonisTooLarge, "the file is too large for celonis")
	case status >= http.StatusInternalServerError:
		return refusal(fault.CelonisServer, "celonis answered the request to store a file with status %d", status)
	}
	return refusal(fault.CelonisRejected, "celonis refused the request to store a file with status %d", answer.StatusCode)
}

// accessCode tells a key that is wrong from one that may not.
func accessCode(code string) fault.Code {
	switch code {
	case "SignatureDoesNotMatch", "InvalidAccessKeyId":
		return fault.CelonisUnauthorized
	}
	return fault.CelonisForbidden
}
