package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// sampleBlocks is how many blocks at the beginning of a source types and
// lengths are found from: about 4 MiB of text.
const sampleBlocks = 16

// prepare opens the source, finds out what the mapping leaves open from a
// sample, and compiles the mapping.
func (e *Engine) prepare(ctx context.Context, job *Job, checkpoint flows.Checkpoint) (*pipeline, error) {
	want, err := wanted(job.Rules)
	if err != nil {
		return nil, err
	}
	stream, err := job.Source.Open(ctx, want)
	if err != nil {
		return nil, err
	}
	plan, err := compile(ctx, stream, job)
	if err != nil {
		stream.Close()
		return nil, err
	}
	start, err := decodeCursor(checkpoint)
	fingerprint := fingerprintOf(plan.Schema())
	job.Progress.InputSize.Store(stream.InputSize)
	return &pipeline{
		opt: e.opt, job: job, stream: stream, plan: plan, fingerprint: fingerprint, start: start,
		// A cursor of another form or a table declared otherwise belongs to other
		// rows: what was pushed for it cannot be continued.
		checkpointStale: checkpoint.PushJobID != "" && (err != nil || checkpoint.Schema != fingerprint),
	}, nil
}

// wanted lists the source fields that rules take, nil when there are no rules.
func wanted(rules []flows.Rule) ([]string, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	plan, err := mapping.Compile(rules, nil, mapping.Options{})
	if err != nil {
		return nil, err
	}
	return plan.Want(), nil
}

func compile(ctx context.Context, stream *Stream, job *Job) (*mapping.Plan, error) {
	sample, err := sampleOf(ctx, stream)
	if err != nil {
		return nil, err
	}
	rules := job.Rules
	if len(rules) == 0 {
		rules, err = mapping.Infer(stream.Names(), sample, mapping.InferOptions{Typed: stream.Typed})
		if err != nil {
			return nil, err
		}
		if len(rules) == 0 && len(sample) > 0 {
			return nil, fault.New(fault.SourceFormat, "the source's records have no fields")
		}
	} else {
		rules = mapping.Lengths(rules, sample)
	}
	return mapping.Compile(rules, stream.Names(), mapping.Options{NamesComplete: stream.NamesComplete, Keys: job.Keys})
}

func sampleOf(ctx context.Context, stream *Stream) ([]*columns.Raw, error) {
	blocks, err := stream.Peek(ctx, sampleBlocks)
	if err != nil {
		return nil, err
	}
	sample := make([]*columns.Raw, 0, len(blocks))
	for _, b := range blocks {
		raw := new(columns.Raw)
		if err := stream.Decode(b, raw); err != nil {
			return nil, err
		}
		sample = append(sample, raw)
	}
	return sample, nil
}

// fingerprintOf tells tables apart by their columns' names, types and lengths.
func fingerprintOf(schema columns.Schema) string {
	h := sha256.New()
	for _, f := range schema {
		fmt.Fprintf(h, "%q %s %d\n", f.Name, f.Type, f.Length)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
