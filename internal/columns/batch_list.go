package columns

import "sync"

// batchList keeps released batches.
type batchList struct {
	mu      sync.Mutex
	batches []*Batch
}

// get gives an empty batch of the schema, which is the same at each call.
func (l *batchList) get(schema Schema) *Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.batches); n > 0 {
		b := l.batches[n-1]
		l.batches = l.batches[:n-1]
		b.Reset()
		return b
	}
	return NewBatch(schema)
}

func (l *batchList) put(b *Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b != nil && len(l.batches) < maxFree && b.Size() <= 4*parquetBlockBytes {
		l.batches = append(l.batches, b)
	}
}
