package flows

// FieldText gives the text of a field of a record that is a JSON object: a name
// taken literally, or a JSON Pointer. It is "" for a null and for none.
func FieldText(object []byte, field string) string { return string(valueAt(object, field)) }
