package flows

import (
	"context"
	"fmt"

	"github.com/celonis-connector/connector/internal/fault"
)

// maxBehind bounds a chain of flows that keep behind each other.
const maxBehind = 50

// deltaDefaults fills what a caller left out of a delta.
func deltaDefaults(d *DeltaSpec) *DeltaSpec {
	if d == nil || d.Type != "" {
		return d
	}
	filled := *d
	filled.Type = MarkTime
	return &filled
}

// checkDelta finds what contradicts in a delta, and with the import.
func checkDelta(s Spec) (fields []fault.Field) {
	d := s.Export.Delta
	if d == nil {
		return nil
	}
	if d.Mode != ReadDelta {
		for _, m := range []member{
			{"/export/delta/start", d.Start != ""}, {"/export/delta/lag", d.Lag != ""}, {"/export/delta/behind", d.Behind != ""},
		} {
			if m.given {
				fields = append(fields, invalid(m.pointer, "belongs to a delta of mode delta only"))
			}
		}
		return fields
	}
	if s.Import.Type == ImportDataPush && (s.Import.Mode == Replace || s.Import.Mode == "") {
		fields = append(fields, invalid("/export/delta/mode", "would leave only what is new in the table, as the import's mode is replace; use the import's mode delta"))
	}
	if d.Start != "" {
		if err := d.Kind().Check(d.Start); err != nil {
			fields = append(fields, invalid("/export/delta/start", err.Error()))
		}
	}
	return append(fields, checkLag(*d)...)
}

func checkLag(d DeltaSpec) []fault.Field {
	if d.Lag == "" {
		return nil
	}
	var err error
	switch d.Kind() {
	case MarkText:
		err = fmt.Errorf("a watermark of type text has no lag")
	case MarkInteger:
		n, bad := parseInteger(d.Lag)
		if err = bad; err == nil && n.Sign() < 0 {
			err = fmt.Errorf("%q is below zero", d.Lag)
		}
	default:
		_, err = parseDuration(d.Lag)
	}
	if err != nil {
		return []fault.Field{invalid("/export/delta/lag", err.Error())}
	}
	return nil
}

// checkBehind follows the flows that a flow keeps behind; id is its own, "" for a new one.
func (s *Service) checkBehind(ctx context.Context, workspace, id string, spec Spec) ([]fault.Field, error) {
	const pointer = "/export/delta/behind"
	if !spec.Export.Delta.Follows() || spec.Export.Delta.Behind == "" {
		return nil, nil
	}
	next, kind := spec.Export.Delta.Behind, spec.Export.Delta.Kind()
	for range maxBehind {
		if next == id {
			return []fault.Field{invalid(pointer, "would keep the flow behind itself")}, nil
		}
		f, err := s.Flows.Flow(ctx, workspace, next)
		switch {
		case fault.Has(err, fault.FlowNotFound):
			return []fault.Field{{Pointer: pointer, Code: fault.FlowNotFound, Detail: "names no flow"}}, nil
		case err != nil:
			return nil, err
		case !f.Export.Delta.Follows():
			return []fault.Field{invalid(pointer, "names a flow that has no watermark, as its delta is not of mode delta")}, nil
		case f.Export.Delta.Kind() != kind:
			return []fault.Field{invalid(pointer, fmt.Sprintf("names a flow whose watermark is of type %s", f.Export.Delta.Kind()))}, nil
		case f.Export.Delta.Behind == "":
			return nil, nil
		}
		next = f.Export.Delta.Behind
	}
	return []fault.Field{invalid(pointer, fmt.Sprintf("begins a chain of more than %d flows", maxBehind))}, nil
}
