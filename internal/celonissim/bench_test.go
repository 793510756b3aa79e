package celonissim_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

// event is a row of twelve columns as process data has them.
type event struct {
	CaseID, Activity, User, Material, Text string
	Plant                                  string    `parquet:",dict"`
	Time                                   time.Time `parquet:",timestamp(millisecond)"`
	Changed                                time.Time `parquet:",timestamp(microsecond)"`
	Amount, Quantity                       float64
	Item                                   int64
	Blocked                                bool
}

func events(from, n int) []event {
	rows := make([]event, n)
	for i := range rows {
		k := from + i
		at := time.UnixMilli(1_700_000_000_000 + int64(k)*1000).UTC()
		rows[i] = event{
			CaseID: fmt.Sprintf("CASE-%08d", k/8), Activity: fmt.Sprintf("Activity %d of the process", k%17),
			User: fmt.Sprintf("user.%d@example.com", k%311), Material: fmt.Sprintf("MAT%012d", k*7919),
			Text: fmt.Sprintf("Some longer text about record %d, with a few words in it", k), Plant: fmt.Sprintf("P%03d", k%40),
			Time: at, Changed: at.Add(time.Hour), Amount: float64(k) * 1.37, Quantity: float64(k % 100), Item: int64(k), Blocked: k%5 == 0,
		}
	}
	return rows
}

// BenchmarkLoad measures the execution of a push of a million rows of twelve columns in ten chunks.
func BenchmarkLoad(b *testing.B) {
	const chunks, rows = 10, 100_000
	var files [][]byte
	bytes := int64(0)
	for i := range chunks {
		f := parquetFile(events(i*rows, rows), parquet.Compression(&parquet.Snappy))
		files = append(files, f)
		bytes += int64(len(f))
	}
	for _, c := range []struct {
		name string
		keep celonissim.Keep
		keys string
	}{
		{"values", celonissim.KeepValues, `"type":"REPLACE"`},
		{"hashes", celonissim.KeepHashes, `"type":"REPLACE"`},
		{"counts", celonissim.KeepCounts, `"type":"REPLACE"`},
		{"keyed values", celonissim.KeepValues, `"type":"DELTA","keys":["CaseID","Item"]`},
		{"keyed hashes", celonissim.KeepHashes, `"type":"DELTA","keys":["CaseID","Item"]`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := start(b, func(o *celonissim.Options) { o.Keep, o.Limits.SubmitsOff = c.keep, true })
			b.SetBytes(bytes)
			for i := range b.N {
				b.StopTimer()
				table := fmt.Sprintf("T%d", i)
				job := s.create(`"targetName":%q,%s`, table, c.keys)
				s.upsert(job, files...)
				b.StartTimer()
				require.Equal(b, "DONE", s.submit(job).Status)
				b.StopTimer()
				t, _ := s.Table(poolID, table)
				require.Equal(b, chunks*rows, t.Rows())
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/1e6, "heapMB")
				s.Reset()
				b.StartTimer()
			}
			b.ReportMetric(float64(chunks*rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkUpload measures the receiving of chunks alone.
func BenchmarkUpload(b *testing.B) {
	file := make([]byte, 64<<20)
	for name, dir := range map[string]string{"memory": "", "disk": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			s := start(b, func(o *celonissim.Options) { o.SpoolDir = dir })
			job := s.create(`"targetName":"T","type":"REPLACE"`)
			b.SetBytes(int64(len(file)))
			for range b.N {
				s.upsert(job, file)
			}
		})
	}
}
