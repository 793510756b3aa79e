package flows

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// HookDelivery is a request to a webhook, as it came.
type HookDelivery struct {
	// Header gives every value of a header.
	Header func(name string) []string
	// Body is the body as it was sent, packed or not: what signatures are made of.
	Body []byte
}

const (
	// maxAuthHeader bounds a header that is looked into, in bytes.
	maxAuthHeader = 4096
	// maxSignatures bounds the signatures of a delivery, of which a sender that changes its secret sends two.
	maxSignatures = 8
)

// verify proves who sent a delivery. mark tells it from other deliveries, ""
// where nothing does. Every comparison takes the same time wherever texts
// differ. Faults: WebhookUnauthenticated, WebhookSignature, WebhookStale.
func (a WebhookAuth) verify(secret crypto.Secret, d HookDelivery, now time.Time) (mark string, err error) {
	switch a.Type {
	case HookOpen:
		return "", nil
	case HookToken:
		return "", a.verifyToken(secret, d)
	case HookBasic:
		return "", a.verifyBasic(secret, d)
	case HookHMAC:
		return a.signing().verify(secret, d, now)
	}
	return "", fault.New(fault.WebhookUnauthenticated, "the webhook knows no sender")
}

// theHeader gives the one value of a header.
func (d HookDelivery) theHeader(name string, code fault.Code) (string, error) {
	values := d.Header(name)
	switch {
	case len(values) == 0:
		return "", fault.New(code, "the header %q is missing", name)
	case len(values) > 1:
		return "", fault.New(code, "the header %q is given %d times", name, len(values))
	case len(values[0]) > maxAuthHeader:
		return "", fault.New(code, "the header %q is longer than %d bytes", name, maxAuthHeader)
	}
	return values[0], nil
}

func (a WebhookAuth) verifyToken(secret crypto.Secret, d HookDelivery) error {
	given, err := d.theHeader(a.Header, fault.WebhookUnauthenticated)
	if err != nil {
		return err
	}
	if !sameText(given, a.Prefix+secret.Reveal()) {
		return fault.New(fault.WebhookUnauthenticated, "the header %q has another token", a.Header)
	}
	return nil
}

func (a WebhookAuth) verifyBasic(secret crypto.Secret, d HookDelivery) error {
	const header = "Authorization"
	given, err := d.theHeader(header, fault.WebhookUnauthenticated)
	if err != nil {
		return err
	}
	scheme, packed, _ := strings.Cut(given, " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(packed))
	if !strings.EqualFold(scheme, "basic") || err != nil {
		return fault.New(fault.WebhookUnauthenticated, "the header %q is not of the form Basic", header)
	}
	if !sameText(string(plain), a.Username+":"+secret.Reveal()) {
		return fault.New(fault.WebhookUnauthenticated, "the user name or the password is wrong")
	}
	return nil
}

// sameText compares in a time that tells nothing, of the lengths neither.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// verify checks the signature and, where it has one, its time. What was signed
// is the body byte for byte; the time is looked at after the signature, so that
// nobody without the secret learns of the clock.
func (s signing) verify(secret crypto.Secret, d HookDelivery, now time.Time) (mark string, err error) {
	header, err := d.theHeader(s.header, fault.WebhookSignature)
	if err != nil {
		return "", err
	}
	timestamp, signatures, err := s.parse(header)
	if err != nil {
		return "", err
	}
	if s.timestampHeader != "" {
		if timestamp, err = d.theHeader(s.timestampHeader, fault.WebhookSignature); err != nil {
			return "", err
		}
	}
	want := s.sum(secret, timestamp, d.Body)
	found := 0
	for _, sent := range signatures {
		found |= subtle.ConstantTimeCompare(sent, want)
	}
	if found != 1 {
		return "", fault.New(fault.WebhookSignature, "the signature in the header %q is not that of the body", s.header).
			WithHint("the secret differs, or the body was changed on its way: what is signed is the body byte for byte")
	}
	if s.timed() {
		if err := s.checkTime(timestamp, now); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(want), nil
}

// sum makes the signature of a body.
func (s signing) sum(secret crypto.Secret, timestamp string, body []byte) []byte {
	algorithm := sha256.New
	if s.algorithm == sha512Name {
		algorithm = func() hash.Hash { return sha512.New() }
	}
	mac := hmac.New(algorithm, []byte(secret.Reveal()))
	before, after, _ := strings.Cut(s.payload, bodyMark)
	// A hash takes everything and gives no error.
	_, _ = mac.Write([]byte(strings.Replace(before, timestampMark, timestamp, 1)))
	_, _ = mac.Write(body)
	_, _ = mac.Write([]byte(strings.Replace(after, timestampMark, timestamp, 1)))
	return mac.Sum(nil)
}

// parse reads the header of the signature: one signature, or a list of members
// of which some are signatures and one is the time.
func (s signing) parse(header string) (timestamp string, signatures [][]byte, err error) {
	if s.signatureMember == "" {
		sum, err := s.decode(header)
		return "", [][]byte{sum}, err
	}
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		switch name {
		case s.signatureMember:
			if len(signatures) == maxSignatures {
				return "", nil, fault.New(fault.WebhookSignature, "the header %q has more than %d signatures", s.header, maxSignatures)
			}
			sum, err := s.decode(value)
			if err != nil {
				return "", nil, err
			}
			signatures = append(signatures, sum)
		case s.timestampMember:
			if timestamp != "" || value == "" {
				return "", nil, fault.New(fault.WebhookSignature, "the header %q must have one time in %q", s.header, s.timestampMember)
			}
			timestamp = value
		}
	}
	switch {
	case len(signatures) == 0:
		return "", nil, fault.New(fault.WebhookSignature, "the header %q has no signature in %q", s.header, s.signatureMember)
	case s.timestampMember != "" && timestamp == "":
		return "", nil, fault.New(fault.WebhookSignature, "the header %q must have one time in %q", s.header, s.timestampMember)
	}
	return timestamp, signatures, nil
}

// decode reads the text of a signature.
func (s signing) decode(text string) (sum []byte, err error) {
	rest, found := strings.CutPrefix(text, s.prefix)
	if !found {
		return nil, fault.New(fault.WebhookSignature, "the signature in the header %q does not begin with %q", s.header, s.prefix)
	}
	if s.encoding == base64Name {
		sum, err = base64.StdEncoding.DecodeString(rest)
	} else {
		sum, err = hex.DecodeString(rest)
	}
	size := sha256.Size
	if s.algorithm == sha512Name {
		size = sha512.Size
	}
	if err != nil || len(sum) != size {
		return nil, fault.New(fault.WebhookSignature, "the signature in the header %q is not %d bytes in %s", s.header, size, s.encoding)
	}
	return sum, nil
}

// checkTime refuses what was signed too long ago, or is signed for later.
func (s signing) checkTime(timestamp string, now time.Time) error {
	const mostDigits = 12
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || len(timestamp) > mostDigits || seconds < 0 {
		return fault.New(fault.WebhookSignature, "the time of the signature is not in Unix seconds")
	}
	age := now.Sub(time.Unix(seconds, 0))
	if age.Abs() <= time.Duration(s.tolerance)*time.Second {
		return nil
	}
	place := s.timestampHeader
	if place == "" {
		place = s.header
	}
	f := fault.New(fault.WebhookStale, "the time of the signature, in the header %q, is %d seconds from now; %d are allowed",
		place, int64(age.Abs()/time.Second), s.tolerance)
	if age < 0 {
		return f.WithHint("the clock of the sender, or of this service, is wrong")
	}
	return f.WithHint("the delivery came late or is repeated: have the sender sign it anew")
}
