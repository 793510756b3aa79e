package connections

// CheckHeader says what is wrong with a header that is stored and shown as it
// is: of its name and of its value; nil where nothing is.
func CheckHeader(h Header) (name, value error) {
	return wrongHeaderName(h.Name, nil), wrongHeaderValue(h.Value)
}
