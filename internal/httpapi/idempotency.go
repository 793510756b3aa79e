package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
	// IdempotencyLifetime is how long an answer is kept for repeats.
	IdempotencyLifetime = 24 * time.Hour
	maxIdempotencyKey   = 255
	// keepFor bounds the write that ends a request whose caller may have gone.
	keepFor = 10 * time.Second
)

// answerOnce answers a request that has an idempotency key: with the answer
// that the first request with the key got, or by doing it. Only an answer that
// did something is kept, and the fault of one that may have; after another
// fault the key is free, and the corrected request may use it. Faults: RequestFieldInvalid, RequestIdempotencyReuse,
// RequestIdempotencyBusy, and the handler's.
func (a *api) answerOnce(r *call, key string) (*answer, error) {
	k, err := a.idempotencyKey(r, key)
	if err != nil {
		return nil, err
	}
	r.key = &k
	before, err := a.Idempotency.BeginIdempotent(r.ctx(), k)
	if r.route.once && fault.Has(err, fault.RequestIdempotencyBusy) {
		// The process that took the key may have died after it did what was asked; the handler finds out by itself.
		return a.answerNow(r)
	}
	if err != nil {
		return nil, err
	}
	if before != nil && before.Header[faultHeader] != "" {
		r.Header(replayedHeader, "true")
		return nil, keptFault(before)
	}
	if before != nil {
		return &answer{
			status: before.Status, location: before.Header[locationHeader], etag: before.Header[etagHeader],
			replayed: "true", body: before.Body,
		}, nil
	}

	// What was done must be kept even if the caller hangs up now, and a panic must free the key.
	var done *IdempotentResponse
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx()), keepFor)
		defer cancel()
		if done == nil {
			a.keep(ctx, "the idempotency key of a failed request stays taken for a while", a.Idempotency.ForgetIdempotent(ctx, k))
			return
		}
		a.keep(ctx, "the answer of a request with an idempotency key is not kept", a.Idempotency.FinishIdempotent(ctx, k, *done))
	}()
	out, err := a.answerNow(r)
	if fault.Has(err, fault.ChatAnswerLost) {
		// It may have been done: a repeat must not do it again.
		done = keepFault(fault.From(err))
	}
	if err != nil {
		return nil, err
	}
	kept := out.kept()
	done = &kept
	return out, nil
}

// The members of a kept header that tell of a fault. No answer has headers of these names.
const faultHeader, messageHeader, hintHeader = "fault", "message", "hint"

func keepFault(f *fault.Error) *IdempotentResponse {
	return &IdempotentResponse{Status: fault.Describe(f.Code).Status, Header: map[string]string{faultHeader: string(f.Code), messageHeader: f.Message, hintHeader: f.Hint}}
}

func keptFault(r *IdempotentResponse) error {
	f := fault.New(fault.Code(r.Header[faultHeader]), "%s", r.Header[messageHeader])
	if hint := r.Header[hintHeader]; hint != "" {
		f = f.WithHint("%s", hint)
	}
	return f
}

// kept is the form in which an answer is kept.
func (out *answer) kept() IdempotentResponse {
	header := map[string]string{}
	if out.location != "" {
		header[locationHeader] = out.location
	}
	if out.etag != "" {
		header[etagHeader] = out.etag
	}
	body := out.body
	if out.keep != nil {
		body = out.keep
	}
	return IdempotentResponse{Status: out.status, Header: header, Body: body}
}

// keep logs an error that must not change the answer of what was done.
func (a *api) keep(ctx context.Context, what string, err error) {
	if err != nil {
		a.Log.LogAttrs(ctx, slog.LevelWarn, what, slog.String("error", err.Error()))
	}
}

func (a *api) idempotencyKey(r *call, key string) (IdempotencyKey, error) {
	plain := len(key) <= maxIdempotencyKey
	for _, b := range []byte(key) {
		plain = plain && b >= ' ' && b <= '~'
	}
	if !plain {
		return IdempotencyKey{}, fault.New(fault.RequestFieldInvalid,
			"the %s must have at most %d characters of printable ASCII", idempotencyHeader, maxIdempotencyKey)
	}
	sum, err := r.fingerprint()
	if err != nil {
		return IdempotencyKey{}, err
	}
	now := a.Now()
	return IdempotencyKey{
		Workspace: r.who.Workspace, Client: r.who.ClientID, Key: key, Route: r.route.Method + " " + r.route.Path,
		BodyHash: sum, Now: now, Expires: now.Add(IdempotencyLifetime), Within: r.route.patience,
	}, nil
}

// fingerprint is a digest of what must be the same in a repeat: path, query
// and body, or the length of a body that is streamed and not known yet.
func (r *call) fingerprint() (string, error) {
	h := sha256.New()
	_, _ = io.WriteString(h, r.Request.URL.EscapedPath()+"\n"+r.query.Encode()+"\n") // a hash takes everything
	if r.route.maxBody == streamed {
		_, _ = fmt.Fprintf(h, "length %d", r.Request.ContentLength)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	body, err := r.body()
	if err != nil {
		return "", err
	}
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}
