package columns

// The numbers of the Parquet format that the encoder uses.
const (
	parquetBoolean   = 0
	parquetInt32     = 1
	parquetInt64     = 2
	parquetDouble    = 5
	parquetByteArray = 6

	encodingPlain      = 0
	encodingRLE        = 3
	encodingDictionary = 8

	codecNone   = 0
	codecSnappy = 1
	codecZstd   = 6

	pageData       = 0
	pageDictionary = 2

	repetitionRequired = 0
	repetitionOptional = 1
)

// physicalType is how a column type is stored.
func (t Type) physicalType() int {
	switch t {
	case String:
		return parquetByteArray
	case Float:
		return parquetDouble
	case Boolean:
		return parquetBoolean
	case Date, Time:
		return parquetInt32
	default:
		return parquetInt64
	}
}

// The older and the newer way to say what a stored number or text means; both
// are written, because readers know one or the other.
const (
	convertedUTF8      = 0
	convertedDate      = 6
	convertedTime      = 7
	convertedTimestamp = 9
	convertedInt64     = 18

	logicalString    = 1
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10
)

// writeSchema writes the schema's list: the root and a leaf for each column,
// in the schema's order, which may be null where optional says so.
func (t *thriftWriter) writeSchema(id int16, schema Schema, optional func(column int) bool) {
	t.list(id, len(schema)+1, thriftStruct)
	t.element()
	t.text(4, "schema")
	t.i32(5, len(schema))
	t.close()
	for i, f := range schema {
		t.element()
		t.i32(1, f.Type.physicalType())
		if optional(i) {
			t.i32(3, repetitionOptional)
		} else {
			t.i32(3, repetitionRequired)
		}
		t.text(4, f.Name)
		t.writeMeaning(f.Type)
		t.close()
	}
}

func (t *thriftWriter) writeMeaning(typ Type) {
	switch typ {
	case String:
		t.i32(6, convertedUTF8)
		t.writeLogical(logicalString, func() {})
	case Date:
		t.i32(6, convertedDate)
		t.writeLogical(logicalDate, func() {})
	case Time:
		t.i32(6, convertedTime)
		t.writeLogical(logicalTime, t.writeUTCMillis)
	case DateTime:
		t.i32(6, convertedTimestamp)
		t.writeLogical(logicalTimestamp, t.writeUTCMillis)
	case Integer:
		t.i32(6, convertedInt64)
		t.writeLogical(logicalInteger, func() {
			t.i8(1, 64)
			t.flag(2)
		})
	}
}

// writeLogical writes the union LogicalType with one member.
func (t *thriftWriter) writeLogical(member int16, body func()) {
	t.open(10)
	t.open(member)
	body()
	t.close()
	t.close()
}

// writeUTCMillis says: adjusted to UTC, unit milliseconds.
func (t *thriftWriter) writeUTCMillis() {
	t.flag(1)
	t.open(2)
	t.open(1)
	t.close()
	t.close()
}
