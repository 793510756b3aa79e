package celonis

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

const continuousPath = "/continuous-batch-processing/api/v1/"

// ContinuousPush is the Continuous Data Push API of one data pool: it takes
// Parquet files and upserts them at an interval that Celonis chooses, so there
// is nothing to execute and nothing to take back. It is safe for concurrent use.
type ContinuousPush struct {
	client *Client
	pool   string
}

// ContinuousPush gives the Continuous Data Push API of a pool.
func (c *Client) ContinuousPush(pool string) *ContinuousPush { return &ContinuousPush{c, pool} }

// ItemTarget says where the rows of items go.
type ItemTarget struct {
	Table string
	// DataConnectionID names the data connection whose schema has the table; "" is the pool's global schema.
	DataConnectionID string
	// Keys are the primary key; without any Celonis takes all columns together as one.
	Keys []string
	// OrderColumn is the column whose highest value wins among rows of one key, "" leaves the winner open.
	OrderColumn string
	// Length is the length of string columns in a table that does not stand yet, 1 to columns.MaxStringBytes.
	Length int
	// Sender is free text that names the sender.
	Sender string
}

func (t ItemTarget) query() (url.Values, error) {
	if t.Table == "" || t.Length < 1 || t.Length > columns.MaxStringBytes {
		return nil, fault.New(fault.CelonisSchemaTooWide, "a continuous push needs a table name and a length of 1 to %d, not %d", columns.MaxStringBytes, t.Length)
	}
	for _, key := range t.Keys {
		// The keys are one parameter, divided by commas.
		if strings.Contains(key, ",") {
			return nil, fault.New(fault.CelonisSchemaTooWide, "the key %q holds a comma, which continuous push cannot tell from the next key", key).
				WithHint("give the column another name in the mapping")
		}
	}
	q := url.Values{"targetName": {t.Table}, "fallbackVarcharLength": {strconv.Itoa(t.Length)}}
	for name, value := range map[string]string{
		"connectionId": t.DataConnectionID, "clientId": t.Sender,
		"primaryKeys": strings.Join(t.Keys, ","), "duplicateRemovalOrderColumn": t.OrderColumn,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q, nil
}

// Item is one Parquet file.
type Item struct {
	Name string
	// Body is read at [0, Size), more than once when HTTP/2 starts over: keep it until Upload returns.
	Body io.ReaderAt
	Size int64
}

type itemAnswer struct {
	ID          string `json:"id"`
	FlushStatus string `json:"flushStatus"`
}

// Upload hands an item over; Celonis flushes it to the table later. It is not
// repeated by itself. Faults as those of DataPush.UploadChunk;
// CelonisChunkInDoubt where Celonis may have the item.
func (p *ContinuousPush) Upload(ctx context.Context, to ItemTarget, item Item) error {
	if item.Size < 1 || item.Size > MaxChunkBytes {
		return fault.New(fault.CelonisTooLarge, "an item must have 1 to %d bytes, not %d", MaxChunkBytes, item.Size)
	}
	pool, err := segment(p.pool)
	if err != nil {
		return err
	}
	query, err := to.query()
	if err != nil {
		return err
	}
	body, err := newPayload(item.Name, item.Body, item.Size)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the upload cannot be prepared")
	}
	var far progress
	var answer itemAnswer
	err = p.client.do(ctx, call{
		op: operation{areaPush, "upload an item"}, method: http.MethodPost, path: continuousPath + pool + "/items", query: query,
		payload: body, out: &answer, progress: &far, timeout: p.client.retry.forUpload(item.Size),
	})
	if err == nil && answer.ID == "" {
		err = fault.New(fault.CelonisAnswer, "celonis's answer to the request to upload an item has no id")
	}
	return p.itemFault(err, &far)
}

func (p *ContinuousPush) itemFault(err error, far *progress) error {
	switch status := statusOf(err); {
	case err == nil, fault.Has(err, fault.CelonisRateLimited):
		return err
	case status == 0 && !inDoubt(err, far):
		return err
	case status == http.StatusNotFound:
		return poolNotFound(p.pool, err)
	case status == 0, status >= http.StatusInternalServerError, status < http.StatusMultipleChoices:
		return fault.Wrap(err, fault.CelonisChunkInDoubt, "it is not known whether celonis has taken an item of the continuous push")
	}
	return err
}

// Flush is an item on its way to the table, as far as Celonis tells.
type Flush struct {
	ID     string `json:"id"`
	Status string `json:"flushStatus"`
}

// Flushes lists the items of a table that Celonis tells of.
func (p *ContinuousPush) Flushes(ctx context.Context, table, dataConnectionID string) ([]Flush, error) {
	pool, err := segment(p.pool)
	if err != nil {
		return nil, err
	}
	query := url.Values{"targetName": {table}}
	if dataConnectionID != "" {
		query.Set("connectionId", dataConnectionID)
	}
	var list []Flush
	err = p.client.do(ctx, call{
		op: operation{areaPush, "list the table's flushes"}, method: http.MethodGet, path: continuousPath + pool + "/flushes",
		query: query, repeatable: true, out: &list,
	})
	if statusOf(err) == http.StatusNotFound {
		return nil, poolNotFound(p.pool, err)
	}
	return list, err
}
