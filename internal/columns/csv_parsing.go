package columns

// CSVParsingOptions tells Celonis how CSV chunks are written, in the shape of
// a push job's csvParsingOptions.
type CSVParsingOptions struct {
	EscapeSequence          string             `json:"escapeSequence"`
	QuoteSequence           string             `json:"quoteSequence"`
	SeparatorSequence       string             `json:"separatorSequence"`
	LineEnding              string             `json:"lineEnding"`
	CharSet                 string             `json:"charSet"`
	DecimalSeparator        string             `json:"decimalSeparator"`
	DateFormat              string             `json:"dateFormat"`
	AdditionalColumnOptions []CSVColumnOptions `json:"additionalColumnOptions,omitempty"`
}

// CSVColumnOptions is what differs for one column.
type CSVColumnOptions struct {
	ColumnName string `json:"columnName"`
	DateFormat string `json:"dateFormat"`
}

// CSVParsing gives the options that fit the chunks of a CSVEncoder: a quote is
// escaped by another quote, and Date and Time columns have patterns of their own.
func CSVParsing(schema Schema) CSVParsingOptions {
	opt := CSVParsingOptions{
		EscapeSequence:    string(csvQuote),
		QuoteSequence:     string(csvQuote),
		SeparatorSequence: string(csvSeparator),
		LineEnding:        csvLineEnd,
		CharSet:           "UTF-8",
		DecimalSeparator:  ".",
		DateFormat:        csvDateTimePattern,
	}
	for _, f := range schema {
		switch f.Type {
		case Date:
			opt.AdditionalColumnOptions = append(opt.AdditionalColumnOptions, CSVColumnOptions{f.Name, csvDatePattern})
		case Time:
			opt.AdditionalColumnOptions = append(opt.AdditionalColumnOptions, CSVColumnOptions{f.Name, csvTimePattern})
		}
	}
	return opt
}
