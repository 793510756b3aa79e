package httpsource

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net/url"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// reading is one pass over the pages of a job.
type reading struct {
	client   *Client
	job      Job
	out      Records
	prepared *prepared
	paging   *flows.Paging
	bounds   *bounds
	furthest *flows.Furthest
	seen     int64
	result   Result

	// pageNumber, offset and token name the page that is asked for next, nextURL is its whole URL where the source gives one.
	pageNumber int
	offset     int64
	token      string
	nextURL    *url.URL
	// tokens and urls are those that were asked for.
	asked map[string]bool
	// first and last are the contents of the first and of the latest page that had records.
	first, last contents
	// probing says that the page is asked for to see whether there is one.
	probing bool
	// began is when the request under way was sent.
	began time.Time
	// complete says that the source has given as many records as it says it has.
	complete bool
}

// contents tells pages apart.
type contents struct {
	sum     [sha256.Size]byte
	records int
}

func (c *Client) newReading(job Job, out Records) (*reading, error) {
	p, err := prepare(job.Export.Request)
	if err != nil {
		return nil, err
	}
	r := &reading{client: c, job: job, out: out, prepared: p, paging: job.Export.Paging, asked: map[string]bool{}}
	if r.paging != nil {
		r.pageNumber = r.paging.First()
	}
	if d := job.Export.Delta; d != nil && d.Field != "" {
		r.furthest = d.NewFurthest()
		r.bounds = newBounds(job.Export, job.Window)
	}
	return r, nil
}

func (r *reading) maxPages() int {
	if r.paging == nil {
		return 1
	}
	return cmp.Or(r.paging.MaxPages, flows.DefaultMaxPages)
}

// runStart is the run's start in the form of a watermark. It is cut to the
// second, which only begins earlier.
func (r *reading) runStart() string { return r.job.Start.UTC().Format(time.RFC3339) }

func (r *reading) values() map[flows.Placeholder]string {
	v := map[flows.Placeholder]string{flows.PlaceRunStart: r.runStart()}
	if w := r.job.Window; w != nil {
		v[flows.PlaceWatermark], v[flows.PlaceUntil] = w.From, w.To
	}
	if v[flows.PlaceUntil] == "" && r.job.Export.Delta.Kind() == flows.MarkTime {
		v[flows.PlaceUntil] = r.runStart()
	}
	if p := r.paging; p != nil {
		v[flows.PlacePage], v[flows.PlaceOffset] = strconv.Itoa(r.pageNumber), strconv.FormatInt(r.offset, 10)
		v[flows.PlaceToken], v[flows.PlacePageSize] = r.token, strconv.Itoa(p.PageSize)
	}
	return v
}

// page reads the page that is next, hands its records over, and tells whether there is another one.
func (r *reading) page(ctx context.Context) (more bool, err error) {
	got, err := r.client.fetch(ctx, r)
	if err != nil {
		if r.probing && (fault.Has(err, fault.SourceNotFound) || r.complete && fault.Has(err, fault.SourceRefused)) {
			return false, nil
		}
		return false, err
	}
	defer got.Close()
	r.result.Pages++
	if end, err := r.refuseRepeat(got); err != nil || end {
		return false, err
	}
	if err := got.each(r.take); err != nil {
		return false, err
	}
	if r.paging == nil {
		return false, nil
	}
	return r.advance(got)
}

// take hands one record over, where it lies in the window.
func (r *reading) take(record []byte) error {
	r.seen++
	if r.furthest != nil {
		text, err := fieldText(record, r.job.Export.Delta.Field)
		if err != nil {
			return err
		}
		if !r.bounds.hold(text) {
			return nil
		}
		r.furthest.Observe(text)
	}
	if err := r.out.Append(record); err != nil {
		return err
	}
	r.result.Records++
	return nil
}

// watermark is where the next run begins: the highest value of the field, or
// where the request itself asked for what is new, the end of what it asked for.
func (r *reading) watermark() (string, error) {
	d := r.job.Export.Delta
	if !d.Follows() {
		return "", nil
	}
	if r.furthest != nil {
		return r.furthest.Mark(r.result.Records)
	}
	return r.values()[flows.PlaceUntil], nil
}
