package outside

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Object is a file of a bucket.
type Object struct {
	Key      string
	Modified time.Time
	Bytes    int64
	ETag     string
}

// After orders objects by when they were written, those of the same moment by key.
func (o Object) After(modified time.Time, key string) bool {
	if c := o.Modified.Compare(modified); c != 0 {
		return c > 0
	}
	return o.Key > key
}

// Bucket reads a bucket.
type Bucket struct {
	core *minio.Core
	name string
	host string
	now  func() time.Time
}

// Bucket gives the bucket of a connection of type S3. Fault ConnectionDomain.
func (l *Logins) Bucket(t connections.OutsideTarget) (*Bucket, error) {
	u, err := url.Parse(t.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.ConnectionDomain, "the connection's endpoint is no URL")
	}
	// Without a key the requests are not signed: anybody may read.
	login := credentials.NewStaticV4(t.AccessKeyID.Reveal(), t.SecretAccessKey.Reveal(), "")
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: login, Secure: u.Scheme == "https", Transport: &patient{quiet: defaultQuiet, next: l.cfg.Transport}, Region: t.Region,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, fault.New(fault.ConnectionDomain, "the connection's endpoint cannot be one of a blob store")
	}
	return &Bucket{core: core, name: t.Bucket, host: u.Hostname(), now: l.cfg.Now}, nil
}

// Probe lists at most one object. Faults: those of Open.
func (b *Bucket) Probe(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Recursive: true, MaxKeys: 1}) {
		return b.fault(ctx, o.Err)
	}
	return nil
}

// maxObjects bounds what one listing keeps in memory.
const maxObjects = 1_000_000

// List gives the objects below a prefix that keep says yes to, in the order of
// Object.After. What only stands for a folder is left out. Faults: those of
// Open, SourceTooLarge for too many objects.
func (b *Bucket) List(ctx context.Context, prefix string, keep func(Object) bool) ([]Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var found []Object
	for c := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if c.Err != nil {
			return nil, b.fault(ctx, c.Err)
		}
		o := Object{Key: c.Key, Modified: c.LastModified.UTC(), Bytes: c.Size, ETag: strings.Trim(c.ETag, `"`)}
		if strings.HasSuffix(o.Key, "/") || !keep(o) {
			continue
		}
		if found = append(found, o); len(found) > maxObjects {
			return nil, fault.New(fault.SourceTooLarge, "there are more than %d files below the prefix", maxObjects).WithHint("give a longer prefix")
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(x, y Object) int { return cmp.Or(x.Modified.Compare(y.Modified), strings.Compare(x.Key, y.Key)) })
	return found, nil
}

// Open gives an Opener of an object, which must still be the one that was
// listed. Faults: SourceUnauthorized, SourceForbidden, SourceNotFound,
// SourceChanged, SourceRateLimited, SourceUnavailable, SourceRead, and those of egress.
func (b *Bucket) Open(o Object) Opener {
	return func(ctx context.Context, from int64, _ string) (*Reply, error) {
		var opt minio.GetObjectOptions
		if o.ETag != "" {
			if err := opt.SetMatchETag(o.ETag); err != nil {
				return nil, b.fault(ctx, err)
			}
		}
		if from > 0 {
			if err := opt.SetRange(from, 0); err != nil {
				return nil, b.fault(ctx, err)
			}
		}
		body, _, header, err := b.core.GetObject(ctx, b.name, o.Key, opt)
		if err != nil {
			return nil, b.fault(ctx, err)
		}
		if header.Get("Content-Range") == "" {
			from = 0
		}
		return &Reply{Body: body, From: from, Size: o.Bytes, ETag: o.ETag, ContentType: ""}, nil
	}
}

// codes of the protocol, beside the status.
const (
	noSuchBucket = "NoSuchBucket"
	slowDown     = "SlowDown"
)

// fault turns an error of the client into a fault. What the store says is not repeated: it may hold parts of the login.
func (b *Bucket) fault(ctx context.Context, err error) error {
	var answer minio.ErrorResponse
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer) || answer.StatusCode == 0:
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return ctx.Err()
		}
		return NetworkFault(err, b.host)
	case answer.Code == slowDown:
		return fault.New(fault.SourceRateLimited, "the bucket %q asks to wait", b.name).WithResumeAt(b.now().Add(unknownWait))
	case answer.Code == noSuchBucket:
		return fault.New(fault.SourceNotFound, "there is no bucket %q", b.name).WithHint("check the bucket's name and the region")
	case slices.Contains([]string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"}, answer.Code):
		return fault.New(fault.SourceUnauthorized, "the store refuses the access key: %s", answer.Code).
			WithHint("check both halves of the access key, and the region")
	case answer.StatusCode == http.StatusPreconditionFailed:
		return fault.New(fault.SourceChanged, "a file of the bucket %q was changed while it was read", b.name)
	}
	return StatusFault(&http.Response{StatusCode: answer.StatusCode, Header: http.Header{}}, "the bucket "+quoted(b.name), b.now())
}

func quoted(s string) string { return `"` + s + `"` }
