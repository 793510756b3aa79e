package columns

// Column is the values of one column of a batch. Exactly one of the value
// slices is in use, chosen by Type; a null has a zero value in it, so that
// values and rows keep the same index.
type Column struct {
	Type Type
	// Valid says of each row whether it has a value; false is null.
	Valid []bool
	// Ints holds Integer; Boolean as 0 or 1; Date as days since 1970-01-01;
	// DateTime as milliseconds since 1970-01-01 UTC; Time as milliseconds since midnight.
	Ints []int64
	// Floats holds Float.
	Floats []float64
	// Offsets and Bytes hold String: row i is Bytes[Offsets[i]:Offsets[i+1]],
	// so Offsets has one element more than there are rows.
	Offsets []uint32
	Bytes   []byte
}

// Batch is rows by column.
type Batch struct {
	Schema  Schema
	Columns []Column
	Rows    int
}

// NewBatch makes an empty batch of the schema.
func NewBatch(schema Schema) *Batch {
	b := &Batch{Schema: schema, Columns: make([]Column, len(schema))}
	for i, f := range schema {
		b.Columns[i].Type = f.Type
	}
	b.Reset()
	return b
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Rows = 0
	for i := range b.Columns {
		c := &b.Columns[i]
		c.Valid, c.Ints, c.Floats, c.Bytes = c.Valid[:0], c.Ints[:0], c.Floats[:0], c.Bytes[:0]
		if c.Type == String {
			c.Offsets = append(c.Offsets[:0], 0)
		}
	}
}

// AppendNull adds a null.
func (c *Column) AppendNull() {
	c.Valid = append(c.Valid, false)
	switch c.Type {
	case String:
		c.Offsets = append(c.Offsets, uint32(len(c.Bytes)))
	case Float:
		c.Floats = append(c.Floats, 0)
	default:
		c.Ints = append(c.Ints, 0)
	}
}

// AppendInt adds a value of a type that is kept in Ints.
func (c *Column) AppendInt(v int64) {
	c.Valid = append(c.Valid, true)
	c.Ints = append(c.Ints, v)
}

// AppendFloat adds a Float.
func (c *Column) AppendFloat(v float64) {
	c.Valid = append(c.Valid, true)
	c.Floats = append(c.Floats, v)
}

// AppendString adds a String.
func (c *Column) AppendString(v []byte) {
	c.Valid = append(c.Valid, true)
	c.Bytes = append(c.Bytes, v...)
	c.Offsets = append(c.Offsets, uint32(len(c.Bytes)))
}

// StringAt gives the bytes of row i of a String column; they belong to the column.
func (c *Column) StringAt(i int) []byte { return c.Bytes[c.Offsets[i]:c.Offsets[i+1]] }

// Size is the memory that the batch's values take, in bytes.
func (b *Batch) Size() int {
	n := 0
	for i := range b.Columns {
		c := &b.Columns[i]
		n += len(c.Valid) + 8*len(c.Ints) + 8*len(c.Floats) + 4*len(c.Offsets) + len(c.Bytes)
	}
	return n
}
