package celonissim

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The words of AWS Signature Version 4.
const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigTime      = "20060102T150405Z"
	sigSkew      = 15 * time.Minute

	payloadUnsigned        = "UNSIGNED-PAYLOAD"
	payloadStreamed        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	payloadStreamedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// s3Error is a refusal in S3's form.
type s3Error struct {
	status        int
	code, message string
}

func (e *s3Error) Error() string { return e.code + ": " + e.message }

func s3Refuse(status int, code, format string, args ...any) *s3Error {
	return &s3Error{status, code, fmt.Sprintf(format, args...)}
}

// signature is the Authorization header of a signed request.
type signature struct {
	keyID, date, region string
	signed              []string
	value               string
	at                  time.Time
}

// readSignature takes the header apart.
func readSignature(r *http.Request, now time.Time) (*signature, *s3Error) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), sigAlgorithm+" ")
	if !ok {
		return nil, s3Refuse(http.StatusForbidden, "AccessDenied", "the request is not signed")
	}
	sig := &signature{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[3] != "s3" || scope[4] != "aws4_request" {
				return nil, s3Refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed", "the credential's scope is not readable")
			}
			sig.keyID, sig.date, sig.region = scope[0], scope[1], scope[2]
		case "SignedHeaders":
			sig.signed = strings.Split(value, ";")
		case "Signature":
			sig.value = value
		}
	}
	var err error
	sig.at, err = time.Parse(sigTime, r.Header.Get("X-Amz-Date"))
	switch {
	case err != nil || sig.keyID == "" || sig.value == "" || !strings.HasPrefix(r.Header.Get("X-Amz-Date"), sig.date):
		return nil, s3Refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed", "the authorization header is not readable")
	case !slices.Contains(sig.signed, "host"):
		return nil, s3Refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed", "the host is not signed")
	case sig.at.Sub(now).Abs() > sigSkew:
		return nil, s3Refuse(http.StatusForbidden, "RequestTimeTooSkewed", "the request's time and the server's differ too much")
	}
	return sig, nil
}

func (s *signature) scope() string { return s.date + "/" + s.region + "/s3/aws4_request" }

func (s *signature) key(secret string) []byte {
	key := mac([]byte("AWS4"+secret), s.date)
	for _, part := range []string{s.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// check compares a request with its signature.
func (s *signature) check(r *http.Request, secret string) bool {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, awsEscape(r.URL.Path, true), canonicalQuery(r))
	for _, name := range s.signed {
		fmt.Fprintf(&b, "%s:%s\n", name, signedHeader(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(s.signed, ";"), r.Header.Get("X-Amz-Content-Sha256"))
	text := strings.Join([]string{sigAlgorithm, s.at.Format(sigTime), s.scope(), hexSum([]byte(b.String()))}, "\n")
	return hmac.Equal([]byte(hex.EncodeToString(mac(s.key(secret), text))), []byte(s.value))
}

func signedHeader(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := r.Header.Values(name)
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(trimmed, ",")
}

func canonicalQuery(r *http.Request) string {
	var pairs []string
	for name, values := range r.URL.Query() {
		for _, v := range values {
			pairs = append(pairs, awsEscape(name, false)+"="+awsEscape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// awsEscape escapes all but the unreserved characters, and slashes unless they are kept.
func awsEscape(s string, keepSlash bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, keepSlash && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// readSigned reads a body of at most limit bytes and checks it against what
// the request says of its payload.
func readSigned(r *http.Request, sig *signature, secret string, limit int64) ([]byte, *s3Error) {
	said := r.Header.Get("X-Amz-Content-Sha256")
	body := io.Reader(io.LimitReader(r.Body, limit+limit/16+1<<16))
	var data []byte
	var err error
	switch said {
	case payloadStreamed, payloadStreamedTrailer:
		data, err = readPieces(bufio.NewReader(body), sig, secret, said == payloadStreamed)
	default:
		data, err = io.ReadAll(body)
	}
	var refused *s3Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, s3Refuse(http.StatusBadRequest, "IncompleteBody", "the body ended early")
	case int64(len(data)) > limit:
		return nil, s3Refuse(http.StatusBadRequest, "EntityTooLarge", "the file is larger than %d bytes", limit)
	case said == payloadUnsigned, said == payloadStreamed, said == payloadStreamedTrailer:
		return data, nil
	case said != hexSum(data):
		return nil, s3Refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "the body does not have the hash that was signed")
	}
	return data, nil
}

// readPieces reads a body that comes in pieces, each with a signature that
// builds on the one before.
func readPieces(r *bufio.Reader, sig *signature, secret string, signed bool) ([]byte, error) {
	var out bytes.Buffer
	before := sig.value
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		size, extension, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 32)
		if err != nil {
			return nil, s3Refuse(http.StatusBadRequest, "InvalidRequest", "the size of a piece is not readable")
		}
		piece := make([]byte, n)
		if _, err := io.ReadFull(r, piece); err != nil {
			return nil, err
		}
		if signed {
			text := strings.Join([]string{sigAlgorithm + "-PAYLOAD", sig.at.Format(sigTime), sig.scope(), before, hexSum(nil), hexSum(piece)}, "\n")
			before = hex.EncodeToString(mac(sig.key(secret), text))
			if strings.TrimPrefix(extension, "chunk-signature=") != before {
				return nil, s3Refuse(http.StatusForbidden, "SignatureDoesNotMatch", "the signature of a piece does not match")
			}
		}
		if n == 0 {
			// What follows are trailers.
			_, err := io.Copy(io.Discard, r)
			return out.Bytes(), err
		}
		out.Write(piece)
		if _, err := r.Discard(2); err != nil {
			return nil, err
		}
	}
}
