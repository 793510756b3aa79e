package columns

import "github.com/celonis-connector/connector/internal/fault"

// Kind is what a decoder knows of a cell before its column's type is looked at.
type Kind uint8

const (
	// Null is a JSON null, an absent JSON member or an empty unquoted CSV cell.
	Null Kind = iota
	// Text is a JSON string (unescaped) or a CSV cell (unquoted); a quoted
	// empty CSV cell is Text of length 0.
	Text
	// Number is a JSON number as written.
	Number
	// Bool is a JSON true or false as written.
	Bool
	// JSON is a JSON object or array as written.
	JSON
)

// Cell is one value of a raw block: Raw.Data[Off : Off+Len].
type Cell struct {
	Off, Len uint32
	Kind     Kind
}

// Span is a range of bytes: Data[Off : Off+Len].
type Span struct{ Off, Len uint32 }

// Block is a run of whole records cut out of a source's decompressed, UTF-8
// byte stream.
type Block struct {
	// Seq counts blocks from 0.
	Seq int
	// Data is the records' bytes.
	Data []byte
	// Offset is the byte position of Data[0] in the stream.
	Offset int64
	// Line is the line number of Data[0] in the stream, counted from 1.
	Line int

	records int // number of records where the splitter counted them
	lines   int // number of line ends in Data, 0 when they are not counted
	// typed holds the records of a source that has columns, from row Offset on.
	typed *Batch
}

// lineEnds is the number of line ends in Data.
func (b Block) lineEnds() int {
	if b.lines > 0 {
		return b.lines
	}
	return countLineEnds(b.Data)
}

// End is the Offset of the block that follows.
func (b Block) End() int64 {
	if b.typed != nil {
		return b.Offset + int64(b.typed.Rows)
	}
	return b.Offset + int64(len(b.Data))
}

// ExtraField is the value of a field that has no column.
type ExtraField struct {
	Name string
	Cell Cell
}

// Raw is a decoded block: cells by column that point into Data. The memory is
// reused by the next Decode into the same Raw.
type Raw struct {
	// Names are the source's field names, the same for every block of a stream.
	Names []string
	// Data is the block's bytes; unescaped strings are appended behind them.
	Data []byte
	// Cells[c][r] is the cell of column c in record r.
	Cells [][]Cell
	// Records are the places of the records in Data, one for each row.
	Records []Span
	// Rows is the number of records that could be decoded.
	Rows int
	// Bad are the records that could not be decoded; they are not in Cells.
	// Row is the number of records, good and bad, before it in the block.
	Bad []RecordError
	// Index[r] is the number of records, good and bad, before row r in the
	// block; it is nil when Bad is empty (then it is r itself).
	Index []int
	// Lines is the number of line ends in the block.
	Lines int
	// Extra are the fields beside Names that the records have, where Adapt asked for them.
	Extra []ExtraField

	scratch scratch
}

// Value gives the bytes of a cell; they belong to the block.
func (r *Raw) Value(c Cell) []byte { return r.Data[c.Off : c.Off+c.Len : c.Off+c.Len] }

// Seen is the number of records in the block, good and bad.
func (r *Raw) Seen() int { return r.Rows + len(r.Bad) }

// RecordError says why a record does not become a row. Positions are relative
// to the block until the engine places them in the source.
type RecordError struct {
	// Row is the number of records before this one in the block.
	Row int
	// Place is where the record stands in the block's Data.
	Place Span
	// Line is the number of line ends before the record in the block.
	Line  int
	Code  fault.Code
	Field string
	// Message is a sentence in the voice of package fault; it may quote the
	// value, shortened.
	Message string
	// Widens says that the record is good but for a value that a wider column, or one more column, would take.
	Widens bool
}
