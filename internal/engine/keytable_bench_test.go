package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benchKeys is the number of distinct keys, an eleventh more rows come.
const benchKeys = 10_000_000

// BenchmarkKeyTable gathers ten million distinct keys with an order value of
// eight bytes, every tenth of them twice, and resolves them, with the memory
// that a push gives them. It reports the peak of the heap beside what was there
// before, and what stands in the file.
func BenchmarkKeyTable(b *testing.B) {
	for b.Loop() {
		peak := watchHeap()
		t := newKeyTable(b.TempDir(), DefaultKeyBytes)
		lost, rows := 0, gatherKeys(b, t)
		require.NoError(b, t.resolve(b.Context(), func(uint64) { lost++ }))
		require.Equal(b, rows-benchKeys, lost)
		b.ReportMetric(float64(peak())/(1<<20), "peak-heap-MiB")
		b.ReportMetric(float64(t.end)/(1<<20), "file-MiB")
		b.ReportMetric(float64(rows), "rows")
		t.close()
	}
}

// gatherKeys adds the entries of every row and gives their number.
func gatherKeys(b *testing.B, t *keyTable) (rows int) {
	entry := make([]byte, entryHead+8)
	binary.BigEndian.PutUint16(entry[hashBytes+8:], 8)
	add := func(key int) {
		hash := rand.NewPCG(uint64(key), 1) // the same for the same key
		binary.BigEndian.PutUint64(entry, hash.Uint64())
		binary.BigEndian.PutUint64(entry[8:], hash.Uint64())
		binary.BigEndian.PutUint64(entry[hashBytes:], uint64(rows))
		binary.BigEndian.PutUint64(entry[entryHead:], uint64(rows))
		require.NoError(b, t.add(entry))
		rows++
	}
	for key := range benchKeys {
		add(key)
		if key%10 == 0 {
			add(key)
		}
	}
	return rows
}

// watchHeap follows the heap until the function it gives is called, which
// tells by how many bytes it grew at most.
func watchHeap() (peak func() uint64) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most.Store(max(most.Load(), now.HeapAlloc))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-gone
		return most.Load() - min(before.HeapAlloc, most.Load())
	}
}
