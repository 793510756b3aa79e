package preview

import (
	"bytes"
	"encoding/json"
	"iter"

	"github.com/celonis-connector/connector/internal/fault"
)

// take lets one preview pass; fault FlowPreviewLimited says when the next may.
func (s *Service) take(who Caller) error {
	now := s.Now()
	wait := s.callers.Take(who.Workspace+"/"+who.Client, s.PerMinute, now)
	if wait == 0 {
		return nil
	}
	return fault.New(fault.FlowPreviewLimited, "more than %d previews in a minute", s.PerMinute).
		WithHint("wait a few seconds; each preview asks the source").WithResumeAt(now.Add(wait))
}

// ndjson writes records one a line.
func ndjson(records []json.RawMessage) []byte {
	var out bytes.Buffer
	for _, r := range records {
		// The records are JSON objects, as their reader has made sure.
		if json.Compact(&out, r) == nil {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// lines goes through the lines of NDJSON.
func lines(data []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for line := range bytes.SplitSeq(data, []byte{'\n'}) {
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(json.RawMessage(line)) {
				return
			}
		}
	}
}
