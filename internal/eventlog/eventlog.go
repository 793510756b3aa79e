// Package eventlog writes a purchase-to-pay event log that looks like a real
// one and is the same for the same seed: food for the demo, for benchmarks and
// for tests that need many rows.
package eventlog

import (
	"bufio"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// Format is how the log is written.
type Format string

const (
	// CSV has a header line.
	CSV Format = "csv"
	// NDJSON has an object on each line.
	NDJSON Format = "ndjson"
)

// Columns are the names of the log's columns, in order.
func Columns() []string {
	return []string{
		"case:concept:name", "concept:name", "time:timestamp", "org:resource", "org:group", "vendor",
		"companyCode", "purchaseOrderItem", "amount", "currency", "automated", "comment",
	}
}

// Type gives a column's type in the words of a flow's mapping.
func Type(column string) string {
	switch column {
	case "time:timestamp":
		return "datetime"
	case "purchaseOrderItem":
		return "integer"
	case "amount":
		return "float"
	case "automated":
		return "boolean"
	}
	return "string"
}

type activity struct {
	name  string
	group string
	// hours is the mean pause before the activity.
	hours int
	// percent of cases that have it.
	percent int
}

func activities() []activity {
	return []activity{
		{"Create Purchase Requisition Item", "Requesters", 0, 82},
		{"Release Purchase Requisition", "Approvers", 20, 75},
		{"Create Purchase Order Item", "Buyers", 30, 100},
		{"Change Price", "Buyers", 10, 18},
		{"Change Quantity", "Buyers", 12, 14},
		{"Send Purchase Order", "Buyers", 6, 93},
		{"Receive Order Confirmation", "Buyers", 48, 61},
		{"Record Goods Receipt", "Warehouse", 150, 96},
		{"Record Invoice Receipt", "Accounts Payable", 40, 97},
		{"Set Payment Block", "Accounts Payable", 3, 11},
		{"Remove Payment Block", "Accounts Payable", 60, 11},
		{"Clear Invoice", "Accounts Payable", 200, 92},
	}
}

// Write writes rows events; the same seed gives the same bytes.
func Write(w io.Writer, format Format, rows int, seed uint64) error {
	out := bufio.NewWriterSize(w, 1<<20)
	if format == CSV {
		header := []byte(nil)
		for i, name := range Columns() {
			if i > 0 {
				header = append(header, ',')
			}
			header = append(header, name...)
		}
		if _, err := out.Write(append(header, '\n')); err != nil {
			return err
		}
	}
	g := newGenerator(seed)
	var line []byte
	for range rows {
		g.next()
		if format == CSV {
			line = g.csv(line[:0])
		} else {
			line = g.ndjson(line[:0])
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// generator walks through one case after another.
type generator struct {
	rnd        *rand.Rand
	activities []activity
	at         int
	caseNo     int
	now        time.Time
	start      time.Time
	vendor     int
	item       int
	amount     int64 // cents
	current    activity
	resource   int
	automated  bool
	comment    string
}

func newGenerator(seed uint64) *generator {
	g := &generator{
		rnd:        rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)),
		activities: activities(),
		start:      time.Date(2024, 1, 2, 7, 30, 0, 0, time.UTC),
	}
	g.at = len(g.activities)
	return g
}

// next moves to the next event.
func (g *generator) next() {
	for {
		if g.at == len(g.activities) {
			g.newCase()
		}
		a := g.activities[g.at]
		g.at++
		if g.rnd.IntN(100) >= a.percent {
			continue
		}
		g.current = a
		break
	}
	if g.current.hours > 0 {
		g.now = g.now.Add(time.Duration(g.rnd.IntN(2*g.current.hours*3600)) * time.Second)
	}
	g.now = g.now.Add(time.Duration(g.rnd.IntN(1000)) * time.Millisecond)
	if g.current.name == "Change Price" {
		g.amount += int64(g.rnd.IntN(20_000)) - 10_000
	}
	g.resource = g.rnd.IntN(40)
	g.automated = g.rnd.IntN(3) == 0
	g.comment = ""
	if g.rnd.IntN(20) == 0 {
		g.comment = `checked, "ok"`
	}
}

func (g *generator) newCase() {
	g.at = 0
	g.caseNo++
	g.now = g.start.Add(time.Duration(g.caseNo%700) * 13 * time.Hour)
	g.vendor = g.rnd.IntN(900)
	g.item = 10 * (1 + g.rnd.IntN(9))
	g.amount = 10_000 + int64(g.rnd.IntN(9_000_000))
}

func (g *generator) csv(b []byte) []byte {
	b = g.appendCase(b)
	b = append(append(append(b, ','), g.current.name...), ',')
	b = g.now.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, ',')
	b = g.appendResource(b)
	b = append(append(append(b, ','), g.current.group...), ',')
	b = g.appendVendor(b)
	b = append(b, ",1000,"...)
	b = append(strconv.AppendInt(b, int64(g.item), 10), ',')
	b = append(g.appendAmount(b), ",EUR,"...)
	b = append(strconv.AppendBool(b, g.automated), ',')
	if g.comment != "" {
		b = append(b, `"checked, ""ok"""`...)
	}
	return append(b, '\n')
}

func (g *generator) ndjson(b []byte) []byte {
	b = append(g.appendCase(append(b, `{"case:concept:name":"`...)), `","concept:name":"`...)
	b = append(append(b, g.current.name...), `","time:timestamp":"`...)
	b = append(g.now.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00"), `","org:resource":"`...)
	b = append(g.appendResource(b), `","org:group":"`...)
	b = append(append(b, g.current.group...), `","vendor":"`...)
	b = append(g.appendVendor(b), `","companyCode":"1000","purchaseOrderItem":`...)
	b = append(strconv.AppendInt(b, int64(g.item), 10), `,"amount":`...)
	b = append(g.appendAmount(b), `,"currency":"EUR","automated":`...)
	b = append(strconv.AppendBool(b, g.automated), `,"comment":`...)
	if g.comment == "" {
		return append(b, "null}\n"...)
	}
	return append(b, `"checked, \"ok\""}`+"\n"...)
}

func (g *generator) appendCase(b []byte) []byte {
	return strconv.AppendInt(append(b, "PO-"...), int64(4_500_000_000+g.caseNo), 10)
}

func (g *generator) appendResource(b []byte) []byte {
	return strconv.AppendInt(append(b, "User"...), int64(100+g.resource), 10)
}

func (g *generator) appendVendor(b []byte) []byte {
	return strconv.AppendInt(append(b, "Vendor "...), int64(1000+g.vendor), 10)
}

func (g *generator) appendAmount(b []byte) []byte {
	b = append(strconv.AppendInt(b, g.amount/100, 10), '.')
	if g.amount%100 < 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, g.amount%100, 10)
}
