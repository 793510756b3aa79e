package celonis

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/connections/picker"
	"github.com/celonis-connector/connector/internal/fault"
)

// PickerConfig is what a Picker needs; only Transport must be given.
type PickerConfig struct {
	Transport http.RoundTripper
	Logger    *slog.Logger
	Now       func() time.Time
	UserAgent string
	// Retry overrides the picker's own policy of 2 tries of 20 s each.
	Retry RetryPolicy
	// Shared keeps the limits that connections set; it may be nil.
	Shared *SharedLimits
	// Tokens are the process's access tokens; nil gives each call its own.
	Tokens *Tokens
}

// Picker reads the lists that forms offer. It is safe for concurrent use.
type Picker struct{ cfg PickerConfig }

var _ picker.Source = (*Picker)(nil)

const (
	pickTries   = 2
	pickTry     = 20 * time.Second
	pickMaxWait = 3 * time.Second
)

// NewPicker makes a Picker. A person waits for its answers, so it gives up
// sooner than a run does.
func NewPicker(cfg PickerConfig) *Picker {
	cfg.Retry.Tries = cmp.Or(cfg.Retry.Tries, pickTries)
	cfg.Retry.Timeout = cmp.Or(cfg.Retry.Timeout, pickTry)
	cfg.Retry.MaxWait = cmp.Or(cfg.Retry.MaxWait, pickMaxWait)
	return &Picker{cfg}
}

// Options implements picker.Source.
func (p *Picker) Options(ctx context.Context, t connections.Target, q picker.Query) ([]picker.Option, error) {
	client, err := New(Config{
		Target: t, Transport: p.cfg.Transport, Logger: p.cfg.Logger, Now: p.cfg.Now, UserAgent: p.cfg.UserAgent, Retry: p.cfg.Retry, Shared: p.cfg.Shared,
		Tokens: p.cfg.Tokens,
	})
	if err != nil {
		return nil, err
	}
	switch q.Kind {
	case picker.MCPTools:
		list, err := client.Tools(ctx, q.Asset, false)
		return options(list, err, func(t Tool) picker.Option {
			return picker.Option{Value: t.Name, Label: firstOf(string(t.Title), t.Name), Description: string(t.Description)}
		})
	case picker.KnowledgeModels, picker.Records, picker.Fields, picker.Filters, picker.KPIs, picker.Triggers:
		return client.modelOptions(ctx, q)
	}
	return client.poolOptions(ctx, q)
}

// options turns what Celonis listed into options, or hands its error on.
func options[T any](list []T, err error, view func(T) picker.Option) ([]picker.Option, error) {
	if err != nil {
		return nil, err
	}
	out := make([]picker.Option, 0, len(list))
	for _, one := range list {
		if o := view(one); o.Value != "" {
			out = append(out, o)
		}
	}
	return out, nil
}

func (c *Client) poolOptions(ctx context.Context, q picker.Query) ([]picker.Option, error) {
	switch q.Kind {
	case picker.Pools:
		list, err := c.Pools(ctx)
		return options(list, err, func(p Pool) picker.Option {
			return picker.Option{Value: p.ID, Label: p.Name, Description: p.Description}
		})
	case picker.Tables:
		list, err := c.Tables(ctx, q.Pool)
		return options(list, err, tableOption)
	case picker.Columns:
		list, err := c.Columns(ctx, q.Pool, q.Table, q.Schema)
		return options(list, err, func(t TableColumn) picker.Option {
			return picker.Option{Value: t.Name, Label: t.Name, Type: t.Type, Length: t.Length}
		})
	case picker.DataConnections:
		list, err := c.DataConnections(ctx, q.Pool)
		return options(list, err, func(d DataConnection) picker.Option {
			return picker.Option{Value: d.ID, Label: d.Name, Type: d.Type, Schema: d.TargetSchema}
		})
	case picker.DataModels:
		list, err := c.DataModels(ctx, q.Pool)
		return options(list, err, func(m DataModel) picker.Option {
			return picker.Option{Value: m.ID, Label: m.Name, Description: m.Description}
		})
	case picker.DataJobs:
		list, err := c.DataJobs(ctx, q.Pool)
		return options(list, err, func(j DataJob) picker.Option {
			return picker.Option{Value: j.ID, Label: j.Name, DataConnection: j.DataConnectionID}
		})
	}
	return nil, fault.New(fault.Internal, "nothing lists %q", q.Kind)
}

// tableOption says where a table lies when that is not the pool's own schema.
func tableOption(t Table) picker.Option {
	o := picker.Option{Value: t.Name, Label: t.Name, Type: t.Type, Schema: t.Schema, DataConnection: t.DataConnectionID}
	if t.DataConnectionName != "" {
		o.Description = "data connection " + t.DataConnectionName
	}
	return o
}

func (c *Client) modelOptions(ctx context.Context, q picker.Query) ([]picker.Option, error) {
	switch q.Kind {
	case picker.KnowledgeModels:
		list, err := c.AllKnowledgeModels(ctx)
		return options(list, err, func(m KnowledgeModel) picker.Option { return picker.Option{Value: m.ID, Label: m.Name} })
	case picker.Records:
		list, err := c.Records(ctx, q.KnowledgeModel)
		return options(list, err, func(r Record) picker.Option { return r.option() })
	case picker.Fields:
		list, err := c.Fields(ctx, q.KnowledgeModel, q.Record)
		return options(list, err, func(f RecordField) picker.Option {
			o := f.option()
			o.Type, o.Format, o.Unit = string(f.Type), string(f.Format), string(f.Unit)
			return o
		})
	case picker.Filters:
		list, err := c.Filters(ctx, q.KnowledgeModel)
		return options(list, err, func(f Filter) picker.Option { return f.option() })
	case picker.KPIs:
		list, err := c.KPIs(ctx, q.KnowledgeModel)
		return options(list, err, func(k KPI) picker.Option {
			o := k.option()
			o.Format, o.Unit = string(k.Format), string(k.Unit)
			return o
		})
	case picker.Triggers:
		list, err := c.Triggers(ctx, q.KnowledgeModel)
		return options(list, err, func(t Trigger) picker.Option {
			return picker.Option{Value: t.ID, Label: strings.TrimSpace(string(t.Name)), Record: string(t.Record)}
		})
	}
	return nil, fault.New(fault.Internal, "nothing lists %q", q.Kind)
}

func (d Described) option() picker.Option {
	return picker.Option{Value: d.ID, Label: strings.TrimSpace(string(d.Name)), Description: string(d.Description)}
}
