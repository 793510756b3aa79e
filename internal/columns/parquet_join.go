package columns

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// ParquetPart is a Parquet file that becomes a piece of a larger one.
type ParquetPart struct {
	io.ReaderAt
	Size int64
}

// JoinParquet writes one Parquet file that has the row groups of all parts in
// their order, and gives its rows. No page is decoded: the parts' bytes are
// copied and the places in their footers moved. The first part's schema is the
// file's; every part must have been written by a ParquetEncoder of that schema,
// else the fault is Internal. A part is used up before the next is asked for,
// and its error ends the joining. Faults of parts that cannot be read are those of OpenParquet.
func JoinParquet(ctx context.Context, out io.Writer, parts iter.Seq2[ParquetPart, error]) (rows int64, err error) {
	defer recoverParquet(&err)
	j := &parquetJoin{}
	file := &parquetFile{w: out}
	file.write([]byte(parquetMagic))
	for part, err := range parts {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return 0, err
		}
		if err := j.copy(part, file); err != nil {
			return 0, err
		}
	}
	foot := j.foot()
	file.write(foot)
	file.write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(foot))), parquetMagic...))
	return j.rows, file.err
}

// copy adds a part to a file.
func (j *parquetJoin) copy(part ParquetPart, file *parquetFile) error {
	first := int64(len(parquetMagic))
	end, err := j.take(part, file.n-first)
	if err != nil {
		return err
	}
	n, err := io.Copy(joinWriter{file}, io.NewSectionReader(part, first, end-first))
	if err == nil && n < end-first {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case file.err != nil:
		return file.err
	case err != nil:
		return fault.Wrap(err, fault.SourceRead, "a part of the Parquet file cannot be read")
	}
	return nil
}

// joinWriter is a parquetFile as an io.Writer.
type joinWriter struct{ file *parquetFile }

// Write implements io.Writer.
func (w joinWriter) Write(p []byte) (int, error) {
	w.file.write(p)
	if w.file.err != nil {
		return 0, w.file.err
	}
	return len(p), nil
}

// parquetJoin gathers the footer of a joined file.
type parquetJoin struct {
	schema []byte // the schema's list as it is written
	groups []byte
	count  int
	rows   int64
}

// take adds the footer of a part whose bytes move by shift, and tells where its footer begins.
func (j *parquetJoin) take(part ParquetPart, shift int64) (end int64, err error) {
	footer, err := readFooter(part, part.Size) // which checks everything that is trusted below
	if err != nil {
		return 0, err
	}
	var tail [parquetTail]byte
	if err := readFull(part, tail[:], part.Size-parquetTail); err != nil {
		return 0, err
	}
	data := make([]byte, binary.LittleEndian.Uint32(tail[:]))
	end = part.Size - parquetTail - int64(len(data))
	if err := readFull(part, data, end); err != nil {
		return 0, err
	}
	m := &parquetMover{thriftReader: thriftReader{data: data}, shift: shift}
	places := groupFields()
	var schema []byte
	m.fields(func(id int, kind byte) bool {
		switch {
		case id == 2 && kind == thriftList:
			from := m.pos
			m.skip(kind, 0)
			schema = data[from:m.pos]
		case id == 4 && kind == thriftList:
			n, _ := m.list()
			for range n {
				m.structure(places)
			}
		default:
			return false
		}
		return true
	})
	if m.err != nil {
		return 0, damagedParquet("%s at byte %d of its footer", m.err.Error(), m.pos)
	}
	if j.schema == nil {
		j.schema = schema
	}
	if string(j.schema) != string(schema) {
		return 0, fault.New(fault.Internal, "the parts of a Parquet file have different schemas")
	}
	j.groups = append(j.groups, m.out.buf...)
	j.count += len(footer.groups)
	j.rows += footer.rows
	return end, nil
}

// foot gives the joined file's metadata.
func (j *parquetJoin) foot() []byte {
	t := &thriftWriter{}
	t.i32(1, 1)
	t.field(2, thriftList)
	t.buf = append(t.buf, j.schema...)
	t.i64(3, j.rows)
	t.list(4, j.count, thriftStruct)
	t.buf = append(t.buf, j.groups...)
	t.text(6, parquetCreator)
	t.end()
	return t.buf
}

// parquetMover copies a struct of a footer and moves the places in it.
type parquetMover struct {
	thriftReader
	out   thriftWriter
	shift int64
}

// movable says what is done to the fields of a struct: places are moved, inner structs and lists of structs are gone
// through, everything else is copied. A column's name says nothing of its place, so the numbers are those of the format.
type movable struct {
	places  []int
	structs map[int]movable
}

// groupFields is what a row group says of where things stand: its own beginning;
// of a column chunk its beginning and the places of its indexes; of its metadata
// those of its data, index and dictionary pages and of its Bloom filter.
func groupFields() movable {
	meta := movable{places: []int{9, 10, 11, 14}}
	chunk := movable{places: []int{2, 4, 6}, structs: map[int]movable{3: meta}}
	return movable{places: []int{5}, structs: map[int]movable{1: chunk}}
}

// structure copies the next struct of a list.
func (m *parquetMover) structure(what movable) {
	m.out.element()
	m.body(what)
	m.out.close()
}

func (m *parquetMover) body(what movable) {
	m.fields(func(id int, kind byte) bool {
		if step := id - int(m.out.last); step <= 0 || step > 15 {
			m.fail(errThriftBad)
			return true
		}
		inner, isStruct := what.structs[id]
		switch {
		case kind == thriftI64 && slices.Contains(what.places, id):
			m.out.i64(int16(id), m.int()+m.shift)
		case isStruct && kind == thriftStruct:
			m.out.open(int16(id))
			m.body(inner)
			m.out.close()
		case isStruct && kind == thriftList:
			n, _ := m.list()
			m.out.list(int16(id), n, thriftStruct)
			for range n {
				m.structure(inner)
			}
		default:
			from := m.pos
			m.skip(kind, 0)
			m.out.field(int16(id), kind)
			if m.err == nil {
				m.out.buf = append(m.out.buf, m.data[from:m.pos]...)
			}
		}
		return true
	})
}
