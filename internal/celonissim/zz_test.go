package celonissim
import ("testing";"bytes";"math/rand/v2";"sync";"time";"github.com/parquet-go/parquet-go")
func TestZZ(t *testing.T) {
	type row struct {
		S *string `parquet:",optional,dict"`
		N int64
		T time.Time `parquet:",timestamp(millisecond)"`
	}
	s := "text"
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	w.Write([]row{{&s, 1, time.Now()}, {nil, 2, time.Now()}})
	w.Close()
	for i := range 400000 {
		data := bytes.Clone(b.Bytes())
		r := rand.New(rand.NewPCG(uint64(i),1))
		for range 1+r.IntN(4) { data[r.IntN(len(data))] = byte(r.Uint32()) }
		st := time.Now()
		func() {
		file, err := openParquet(bytes.NewReader(data), int64(len(data)))
		if err != nil { return }
		p := &plan{pool: &sync.Pool{}}
		for _, c := range file.columns() {
			kind := c.kind
			if kind == NoKind { kind = String }
			p.cols = append(p.cols, ColumnInfo{Name: c.name, Type: kind, Length: defaultVarchar})
		}
		targets, err := p.match(file.columns())
		if err != nil { return }
		for _, read := range file.parts(p, targets) { _ = read(func(*segment) error { return nil }) }
		}()
		if d := time.Since(st); d > 500*time.Millisecond { t.Log(i, d) }
	}
}
