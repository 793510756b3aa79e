package endpoint

import "github.com/celonis-connector/connector/internal/celonis"

// standing is what is known of the push job of a checkpoint.
type standing struct {
	// status is the job's own; gone says that Celonis does not know the job any more.
	status celonis.JobStatus
	gone   bool
	// submitted: the checkpoint says that every chunk is in and the job was told to execute.
	submitted bool
	// harmless: keys make a repeated chunk leave the table as it is.
	harmless bool
}

// way is how a run goes on.
type way uint8

const (
	// goOn continues after the last accepted chunk.
	goOn way = iota
	// startOver drops the job and begins with a new one.
	startOver
	// finish submits if need be and polls.
	finish
	// hold waits for the job to end before anything else is done.
	hold
	// fail ends the run with the job's own log lines.
	fail
)

// String gives the way's name.
func (w way) String() string {
	return [...]string{"go on", "start over", "finish", "hold", "fail"}[w]
}

// decide is the resume table:
//
//	job              submitted   not submitted
//	NEW              finish      go on if repeating is harmless, else start over
//	QUEUED, RUNNING  finish      hold: somebody else executed it, and it could overwrite what comes after
//	DONE             finish      start over
//	ERROR, CANCELED  fail        fail
//	gone             start over  start over
//	anything else    hold        hold
func decide(s standing) way {
	if s.gone {
		return startOver
	}
	switch s.status {
	case celonis.JobNew:
		switch {
		case s.submitted:
			return finish
		case s.harmless:
			return goOn
		}
		return startOver
	case celonis.JobQueued, celonis.JobRunning:
		if s.submitted {
			return finish
		}
		return hold
	case celonis.JobDone:
		if s.submitted {
			return finish
		}
		return startOver
	case celonis.JobError, celonis.JobCanceled:
		return fail
	}
	return hold
}
