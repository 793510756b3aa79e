package celonis

import (
	"context"
	"net/http"

	"github.com/celonis-connector/connector/internal/fault"
)

// DataPush is the Data Push API of one data pool. It is safe for concurrent use.
type DataPush struct {
	client *Client
	pool   string
}

// DataPush gives the Data Push API of a pool.
func (c *Client) DataPush(pool string) *DataPush { return &DataPush{c, pool} }

// CreateJob creates a push job, which takes chunks until it is submitted. It
// is not repeated by itself: when the answer is lost (fault
// CelonisDisconnected) a job may exist, which does nothing until submitted.
// Other faults: CelonisPoolNotFound, CelonisForbidden, CelonisRejected,
// CelonisSchemaTooWide for a spec without a full schema.
func (p *DataPush) CreateJob(ctx context.Context, s JobSpec) (Job, error) {
	body, err := s.body(p.pool)
	if err != nil {
		return Job{}, err
	}
	var a jobAnswer
	var far progress
	gen, err := p.do(ctx, "", "/", call{
		op: operation{areaPush, "create a push job"}, method: http.MethodPost, json: body, out: &a, progress: &far,
	})
	switch {
	case err != nil:
		return Job{}, p.collectionFault(lost(ctx, err, &far))
	case a.ID == "":
		return Job{}, fault.New(fault.CelonisAnswer, "celonis's answer to the request to create a push job has no id")
	}
	p.client.generations.remember(a.ID, gen)
	return a.job(), nil
}

// lost turns a network fault of after the request may have left into
// CelonisDisconnected; what is known not to have left stays as it is.
func lost(ctx context.Context, err error, far *progress) error {
	if statusOf(err) != 0 || !inDoubt(err, far) || ctx.Err() != nil {
		return err
	}
	return fault.Wrap(err, fault.CelonisDisconnected, "the answer of celonis was lost").
		WithHint("nothing needs to be done: the run asks celonis how it stands and goes on")
}

// inDoubt reports whether a request without an answer may have reached Celonis.
func inDoubt(err error, far *progress) bool {
	if isNotSent(err) {
		return false
	}
	if far.connected.Load() {
		return true
	}
	switch fault.CodeOf(err) {
	case fault.EgressDNS, fault.EgressTLS, fault.EgressUnreachable, fault.EgressRefused:
		return false
	}
	return true
}

func (p *DataPush) collectionFault(err error) error {
	if statusOf(err) == http.StatusNotFound {
		return poolNotFound(p.pool, err)
	}
	return err
}

func jobFault(id string, err error) error {
	if statusOf(err) == http.StatusNotFound {
		return fault.Wrap(err, fault.CelonisJobGone, "celonis no longer knows the push job %q", id)
	}
	return err
}

// Job gives a push job as it stands; fault CelonisJobGone.
func (p *DataPush) Job(ctx context.Context, id string) (Job, error) {
	var a jobAnswer
	if err := p.doJob(ctx, id, "", call{
		op: operation{areaPush, "read the push job"}, method: http.MethodGet, repeatable: true, out: &a,
	}); err != nil {
		return Job{}, err
	}
	if a.ID == "" {
		a.ID = id
	}
	return a.job(), nil
}

// Jobs lists all push jobs of the pool; faults CelonisPoolNotFound, CelonisForbidden.
func (p *DataPush) Jobs(ctx context.Context) ([]Job, error) {
	var list []jobAnswer
	_, err := p.do(ctx, "", "/", call{
		op: operation{areaPush, "list the pool's push jobs"}, method: http.MethodGet, repeatable: true, out: &list,
	})
	if err != nil {
		return nil, p.collectionFault(err)
	}
	jobs := make([]Job, len(list))
	for i, a := range list {
		jobs[i] = a.job()
	}
	return jobs, nil
}

// DeleteJob removes a push job. One that is gone already is no fault.
func (p *DataPush) DeleteJob(ctx context.Context, id string) error {
	err := p.doJob(ctx, id, "", call{op: operation{areaPush, "delete the push job"}, method: http.MethodDelete, repeatable: true})
	if err != nil && !fault.Has(err, fault.CelonisJobGone) {
		return err
	}
	p.client.generations.forget(id)
	return nil
}

func (p *DataPush) doJob(ctx context.Context, id, rest string, k call) error {
	seg, err := segment(id)
	if err != nil {
		return err
	}
	_, err = p.do(ctx, id, "/"+seg+rest, k)
	return jobFault(id, err)
}

// Submit executes a push job: from here on its rows become visible (I3). A job
// that was submitted before, and one whose answer was lost, are no faults by
// themselves: their status is read. The job that comes back is submitted;
// its status is read only where that was needed, else it is JobQueued.
//
// A fault says that the job is not submitted as far as Celonis tells, or that
// this could not be found out (CelonisDisconnected); both may be called again.
// CelonisRateLimited always carries when.
func (p *DataPush) Submit(ctx context.Context, id string) (Job, error) {
	var far progress
	err := p.doJob(ctx, id, "", call{op: operation{areaSubmit, "submit the push job"}, method: http.MethodPost, progress: &far})
	switch status := statusOf(err); {
	case err == nil:
		return Job{ID: id, Status: JobQueued}, nil
	case ctx.Err() != nil, fault.Has(err, fault.CelonisRateLimited):
		return Job{}, err
	case status == http.StatusConflict:
		return p.submitted(ctx, id, nil)
	case status >= http.StatusInternalServerError, status == 0 && inDoubt(err, &far):
		return p.submitted(ctx, id, lost(ctx, err, &far))
	}
	return Job{}, err
}

// submitted reads the status of a job that may have been submitted. unsure is
// what to report when it was not; nil after a 409, which says that it was.
func (p *DataPush) submitted(ctx context.Context, id string, unsure error) (Job, error) {
	job, err := p.Job(ctx, id)
	switch {
	case err != nil:
		return Job{}, err
	case job.Status == JobNew && unsure != nil:
		return Job{}, unsure
	case job.Status == JobNew:
		job.Status = JobQueued
	}
	return job, nil
}
