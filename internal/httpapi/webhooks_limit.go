package httpapi

import (
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// takeHook lets one delivery pass; fault WebhookLimited says when the next may.
func (a *api) takeHook(flowID string, perMinute int, now time.Time) error {
	wait := a.hookLimits.Take(flowID, perMinute, now)
	if wait == 0 {
		return nil
	}
	return fault.New(fault.WebhookLimited, "more than %d deliveries in a minute", perMinute).
		WithHint("send several records in one delivery, or raise export.webhook.requestsPerMinute").WithResumeAt(now.Add(wait))
}
