package columns_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
)

const benchRows = 100_000

var benchNames = []string{"case_id", "activity", "ts", "user", "dept", "amount", "qty", "done", "vendor", "country", "note", "seq"}

var (
	benchActs  = []string{"Create Purchase Order", "Approve", "Receive Goods", "Invoice", "Pay"}
	benchDepts = []string{"Finance", "Procurement", "Warehouse"}
)

// benchRow gives the cells of one record of about 110 bytes.
func benchRow(i int) []string {
	return []string{
		fmt.Sprintf("case-%07d", i/5), benchActs[i%5],
		fmt.Sprintf("2024-%02d-%02dT%02d:%02d:%02d.%03dZ", i%12+1, i%28+1, i%24, i%60, i*7%60, i%1000),
		fmt.Sprintf("user%03d", i*31%400), benchDepts[i%3], fmt.Sprintf("%d.%02d", i*17%100000, i%100),
		fmt.Sprint(i % 50), fmt.Sprint(i%2 == 0), fmt.Sprintf("V%05d", i*13%3000), "DE", "", fmt.Sprint(i),
	}
}

func benchCSV() []byte {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write(benchNames)
	for i := range benchRows {
		_ = w.Write(benchRow(i))
	}
	w.Flush()
	return buf.Bytes()
}

func benchNDJSON() []byte {
	var buf bytes.Buffer
	for i := range benchRows {
		row := benchRow(i)
		fmt.Fprintf(&buf, `{"case_id":%q,"activity":%q,"ts":%q,"user":%q,"dept":%q,"amount":%s,"qty":%s,"done":%s,"vendor":%q,"country":%q,"note":null,"seq":%s}`+"\n",
			row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[11])
	}
	return buf.Bytes()
}

// readAll splits and decodes a whole source and gives the rows.
func readAll(tb testing.TB, data []byte, opt columns.ReadOptions, raw *columns.Raw) int {
	rd, err := columns.Open(bytes.NewReader(data), opt)
	require.NoError(tb, err)
	rows := 0
	for {
		b, err := rd.Next(context.Background())
		if err == io.EOF {
			return rows
		}
		require.NoError(tb, err)
		require.NoError(tb, rd.Decode(b, raw))
		rows += raw.Rows
		rd.Release(b)
	}
}

func reportRows(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func benchRead(b *testing.B, data []byte, opt columns.ReadOptions) {
	raw := &columns.Raw{}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if n := readAll(b, data, opt, raw); n != benchRows {
			b.Fatal(n)
		}
	}
	reportRows(b, benchRows)
}

func BenchmarkCSV(b *testing.B) {
	data := benchCSV()
	b.Run("columns", func(b *testing.B) { benchRead(b, data, columns.ReadOptions{Format: columns.FormatCSV}) })
	b.Run("columns-quoted", func(b *testing.B) {
		quoted := bytes.ReplaceAll(data, []byte(","), []byte(`","`))
		quoted = bytes.ReplaceAll(quoted, []byte("\n"), []byte("\"\n\""))
		quoted = append([]byte{'"'}, quoted[:len(quoted)-1]...)
		benchRead(b, quoted, columns.ReadOptions{Format: columns.FormatCSV})
	})
	b.Run("columns-crlf", func(b *testing.B) {
		benchRead(b, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), columns.ReadOptions{Format: columns.FormatCSV})
	})
	b.Run("split-only", func(b *testing.B) { benchSplit(b, data, columns.FormatCSV) })
	b.Run("encoding-csv", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(data))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err != nil {
					break
				}
			}
		}
		reportRows(b, benchRows)
	})
}

func benchSplit(b *testing.B, data []byte, format columns.Format) {
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		rd, err := columns.Open(bytes.NewReader(data), columns.ReadOptions{Format: format})
		require.NoError(b, err)
		for {
			blk, err := rd.Next(context.Background())
			if err != nil {
				break
			}
			rd.Release(blk)
		}
	}
	reportRows(b, benchRows)
}

func BenchmarkNDJSON(b *testing.B) {
	data := benchNDJSON()
	b.Run("columns", func(b *testing.B) { benchRead(b, data, columns.ReadOptions{Format: columns.FormatNDJSON}) })
	b.Run("columns-want3", func(b *testing.B) {
		benchRead(b, data, columns.ReadOptions{Format: columns.FormatNDJSON, Want: benchNames[:3]})
	})
	b.Run("split-only", func(b *testing.B) { benchSplit(b, data, columns.FormatNDJSON) })
	array := append([]byte{'['}, bytes.ReplaceAll(data, []byte("}\n"), []byte("},\n"))...)
	array = append(array[:len(array)-2], ']')
	b.Run("array", func(b *testing.B) { benchRead(b, array, columns.ReadOptions{Format: columns.FormatJSON}) })
	b.Run("array-split-only", func(b *testing.B) { benchSplit(b, array, columns.FormatJSON) })
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			d := json.NewDecoder(bytes.NewReader(data))
			for {
				var m map[string]any
				if d.Decode(&m) != nil {
					break
				}
			}
		}
		reportRows(b, benchRows)
	})
}

// benchBatches gives typed batches of the shape of benchRow.
func benchBatches() (columns.Schema, []*columns.Batch) {
	schema := columns.Schema{
		{Name: "case_id", Type: columns.String}, {Name: "activity", Type: columns.String}, {Name: "ts", Type: columns.DateTime},
		{Name: "user", Type: columns.String}, {Name: "dept", Type: columns.String}, {Name: "amount", Type: columns.Float},
		{Name: "qty", Type: columns.Integer}, {Name: "done", Type: columns.Boolean}, {Name: "vendor", Type: columns.String},
		{Name: "country", Type: columns.String}, {Name: "note", Type: columns.String}, {Name: "seq", Type: columns.Integer},
	}
	var batches []*columns.Batch
	for from := 0; from < benchRows; from += 5000 {
		b := columns.NewBatch(schema)
		for i := from; i < from+5000; i++ {
			row := benchRow(i)
			for c := range schema {
				switch col := &b.Columns[c]; schema[c].Type {
				case columns.String:
					if row[c] == "" {
						col.AppendNull()
					} else {
						col.AppendString([]byte(row[c]))
					}
				case columns.Float:
					col.AppendFloat(float64(i*17%100000) + float64(i%100)/100)
				case columns.DateTime:
					col.AppendInt(1.7e12 + int64(i)*61_000)
				case columns.Boolean:
					col.AppendInt(int64(i % 2))
				default:
					col.AppendInt(int64(i))
				}
			}
			b.Rows++
		}
		batches = append(batches, b)
	}
	return schema, batches
}

func benchEncode(b *testing.B, enc columns.ChunkEncoder, batches []*columns.Batch) {
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		enc.Reset()
		for _, batch := range batches {
			if err := enc.Append(batch); err != nil {
				b.Fatal(err)
			}
		}
		if err := enc.Finish(&buf); err != nil {
			b.Fatal(err)
		}
	}
	reportRows(b, benchRows)
	b.ReportMetric(float64(buf.Len())/benchRows, "bytes/row")
}

func BenchmarkParquet(b *testing.B) {
	schema, batches := benchBatches()
	for _, codec := range []string{columns.CompressionSnappy, columns.CompressionZstd, columns.CompressionNone} {
		b.Run(codec, func(b *testing.B) {
			enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{Compression: codec})
			require.NoError(b, err)
			benchEncode(b, enc, batches)
		})
	}
	b.Run("csv", func(b *testing.B) {
		benchEncode(b, columns.NewCSVEncoder(schema, columns.CSVWriteOptions{}), batches)
	})
	b.Run("ndjson", func(b *testing.B) { benchEncode(b, columns.NewNDJSONEncoder(schema), batches) })
	b.Run("parquet-go", func(b *testing.B) { benchParquetGo(b, batches) })
}

type benchRecord struct {
	CaseID   string  `parquet:"case_id,dict"`
	Activity string  `parquet:"activity,dict"`
	TS       int64   `parquet:"ts,timestamp(millisecond)"`
	User     string  `parquet:"user,dict"`
	Dept     string  `parquet:"dept,dict"`
	Amount   float64 `parquet:"amount"`
	Qty      int64   `parquet:"qty"`
	Done     bool    `parquet:"done"`
	Vendor   string  `parquet:"vendor,dict"`
	Country  string  `parquet:"country,dict"`
	Note     *string `parquet:"note,optional"`
	Seq      int64   `parquet:"seq"`
}

// benchParquetGo writes the same rows by parquet-go's generic writer.
func benchParquetGo(b *testing.B, batches []*columns.Batch) {
	rows := make([]benchRecord, 0, benchRows)
	for _, batch := range batches {
		c := batch.Columns
		for i := range batch.Rows {
			rows = append(rows, benchRecord{
				CaseID: string(c[0].StringAt(i)), Activity: string(c[1].StringAt(i)), TS: c[2].Ints[i],
				User: string(c[3].StringAt(i)), Dept: string(c[4].StringAt(i)), Amount: c[5].Floats[i], Qty: c[6].Ints[i],
				Done: c[7].Ints[i] != 0, Vendor: string(c[8].StringAt(i)), Country: string(c[9].StringAt(i)), Seq: c[11].Ints[i],
			})
		}
	}
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		w := parquet.NewGenericWriter[benchRecord](&buf, parquet.Compression(&parquet.Snappy))
		if _, err := w.Write(rows); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	reportRows(b, benchRows)
	b.ReportMetric(float64(buf.Len())/benchRows, "bytes/row")
}
