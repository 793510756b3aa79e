package celonissim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// callbackTimeout bounds one request to a callback.
const callbackTimeout = 30 * time.Second

// allows reports whether a callback may have an address.
func (e *eventState) allows(uri string) bool {
	u, err := url.Parse(uri)
	e.mu.Lock()
	defer e.mu.Unlock()
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && e.how.InsecureCallbacks)
}

// send makes one request to a callback and says whether it was answered with a success.
func (s *Server) send(ctx context.Context, method, uri string, headers map[string]string, body []byte) bool {
	s.events.mu.Lock()
	trust := s.events.how.CallbackTLS
	s.events.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, uri, bytes.NewReader(body))
	if err != nil {
		return false
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxJobBody))
	_ = res.Body.Close()
	return res.StatusCode >= 200 && res.StatusCode < 300
}

// probe tries the callback of a subscription that is about to be made.
func (s *Server) probe(ctx context.Context, b subscriptionRequest) bool {
	s.events.mu.Lock()
	kind := cmp.Or(s.events.how.Probe, ProbeArray)
	s.events.mu.Unlock()
	method, body := http.MethodPost, []byte("[]")
	switch kind {
	case ProbeNone:
		return true
	case ProbeEmpty:
		body = nil
	case ProbeObject:
		body = []byte(`{"message":"Is there anybody?"}`)
	case ProbeGet:
		method, body = http.MethodGet, nil
	case ProbeHead:
		method, body = http.MethodHead, nil
	}
	return s.send(ctx, method, b.CallbackInfo.URI, b.CallbackInfo.Headers, body)
}

// signal wakes the subscription's worker.
func (sub *subscription) signal() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}

// startDelivering begins the worker of a subscription, unless the server is closed.
func (s *Server) startDelivering(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		for s.deliverNext(sub) {
		}
	}()
}

// deliverNext delivers what is pending, or waits for a reason to look again; false ends the worker.
func (s *Server) deliverNext(sub *subscription) bool {
	batch, ok := s.nextBatch(sub)
	if !ok {
		return false
	}
	if len(batch) == 0 {
		select {
		case <-sub.wake:
			return true
		case <-s.ctx.Done():
			return false
		}
	}
	if s.deliver(sub, batch) {
		return true
	}
	s.events.mu.Lock()
	again := cmp.Or(s.events.how.RetryEvery, time.Second)
	s.events.mu.Unlock()
	timer := time.NewTimer(again)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-sub.wake:
	case <-s.ctx.Done():
		return false
	}
	return true
}

// nextBatch gives what is to be delivered now; ok is false when the subscription is gone.
func (s *Server) nextBatch(sub *subscription) (batch []loggedEvent, ok bool) {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	if sub.gone {
		return nil, false
	}
	if sub.status != "active" && sub.status != "failed" {
		return nil, true
	}
	size := cmp.Or(s.events.how.BatchSize, 20)
	if s.events.how.SingleEvents {
		size = 1
	}
	for len(sub.pending) > 0 && len(batch) < size {
		offset := sub.pending[0]
		if len(batch) > 0 && offset != batch[len(batch)-1].offset+1 {
			break
		}
		if sub.dropped[offset] || sub.lost[offset] {
			if len(batch) > 0 {
				break
			}
			delete(sub.dropped, offset) // a replay brings it
			sub.pending = sub.pending[1:]
			sub.delivered, sub.lastSuccess, sub.lastSuccessAt = true, max(sub.lastSuccess, offset), s.now()
			continue
		}
		batch = append(batch, sub.event(offset))
		sub.pending = sub.pending[1:]
	}
	return batch, true
}

// deliver sends a batch and notes what became of it.
func (s *Server) deliver(sub *subscription, batch []loggedEvent) bool {
	s.events.mu.Lock()
	how, uri, headers := s.events.how, sub.uri, sub.headers
	refuse := sub.failNext != 0
	if sub.failNext > 0 {
		sub.failNext--
	}
	body := sub.body(how, batch)
	sub.deliveries++
	s.events.mu.Unlock()
	ok := !refuse && s.send(s.ctx, http.MethodPost, uri, headers, body)
	if ok && how.Duplicate {
		ok = s.send(s.ctx, http.MethodPost, uri, headers, body)
	}
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	if !ok {
		offsets := make([]int64, len(batch))
		for i, e := range batch {
			offsets[i] = e.offset
		}
		if len(sub.pending) == 0 || sub.pending[0] > offsets[0] { // else a replay came first, which has them too
			sub.pending = append(offsets, sub.pending...)
		}
		sub.failures++
		if sub.status == "active" {
			sub.status = "failed"
		}
		if sub.status == "failed" && sub.failures >= cmp.Or(how.SuspendAfter, 100) {
			sub.status = "suspended"
		}
		return false
	}
	sub.failures = 0
	if sub.status == "failed" {
		sub.status = "active"
	}
	sub.delivered, sub.lastSuccess, sub.lastSuccessAt = true, max(sub.lastSuccess, batch[len(batch)-1].offset), s.now()
	return true
}

// body writes a delivery.
func (sub *subscription) body(how Events, batch []loggedEvent) []byte {
	id := sub.id
	if how.OtherID {
		id = sub.otherID
	}
	items := make([]map[string]any, len(batch))
	for i, e := range batch {
		event := map[string]any{"id": e.ID, "identifier": e.Identifier, "fields": e.Fields}
		if how.CamelCase {
			items[i] = map[string]any{"triggerId": sub.trigger, "subscriptionId": id, "eventId": e.ID, "offset": e.offset, "event": event}
			continue
		}
		items[i] = map[string]any{"trigger-id": sub.trigger, "subscription-id": id, "event-id": e.ID, "offset": e.offset, "event": event}
	}
	if how.Reverse {
		slices.Reverse(items)
	}
	var out any = items
	if how.SingleEvents {
		out = items[0]
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return text
}
