package flows

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// ErrorClass says what kind of trouble a record error is.
type ErrorClass string

// The classes of record errors.
const (
	ClassValue      ErrorClass = "value"
	ClassMissing    ErrorClass = "missing"
	ClassConnection ErrorClass = "connection"
	ClassRateLimit  ErrorClass = "rateLimit"
	ClassTooLarge   ErrorClass = "tooLarge"
	ClassParse      ErrorClass = "parse"
	ClassDuplicate  ErrorClass = "duplicate"
	ClassDrift      ErrorClass = "drift"
	// ClassDestination: what took the rows did not take this one, or it is not known whether it did.
	ClassDestination ErrorClass = "destination"
)

// ErrorClasses lists the classes.
func ErrorClasses() []ErrorClass {
	return []ErrorClass{ClassValue, ClassMissing, ClassConnection, ClassRateLimit, ClassTooLarge, ClassParse, ClassDuplicate, ClassDrift, ClassDestination}
}

// classes ties codes to classes; a code that is not here has the class value.
func classes() map[ErrorClass][]fault.Code {
	return map[ErrorClass][]fault.Code{
		ClassValue:    {fault.ValueType, fault.ValueOutOfRange, fault.ValueEncoding, fault.ValueDiscarded, fault.MappingRule, fault.RecordExpression, fault.LookupRefused, fault.LookupNoOutput},
		ClassMissing:  {fault.ValueRequired, fault.MappingField},
		ClassTooLarge: {fault.ValueTooLong, fault.SourceLineTooLong, fault.CelonisTooLarge},
		ClassParse:    {fault.RecordMalformed, fault.RecordCells, fault.RecordExpand},
		ClassDrift:    {fault.RecordUnexpected, fault.CelonisSchemaDrift, fault.MappingSchema},
		ClassDuplicate: {
			fault.CelonisConflict, fault.CelonisNotUnique,
		},
		ClassDestination: {fault.DestinationRefused, fault.DestinationRow, fault.DestinationAnswer, fault.DestinationInDoubt, fault.CelonisMailFixed, fault.CelonisStale, fault.CelonisInDoubt},
		ClassRateLimit:   {fault.CelonisRateLimited, fault.CelonisBudgetSpent, fault.LookupLimit, fault.CelonisLicenses},
		ClassConnection: {
			fault.EgressRefused, fault.EgressDNS, fault.EgressTLS, fault.EgressUnreachable, fault.EgressTimeout,
			fault.CelonisUnauthorized, fault.CelonisForbidden, fault.CelonisServer, fault.CelonisDisconnected, fault.ConnectionOffline, fault.LookupAnswerLost,
		},
	}
}

// ClassOf gives the class of a code.
func ClassOf(code fault.Code) ErrorClass {
	for class, codes := range classes() {
		if slices.Contains(codes, code) {
			return class
		}
	}
	return ClassValue
}

// Codes lists the codes of a class; listed false says that the class holds
// every code but these.
func (c ErrorClass) Codes() (codes []fault.Code, listed bool) {
	all := classes()
	if c != ClassValue {
		return all[c], true
	}
	for class, others := range all {
		if class != ClassValue {
			codes = append(codes, others...)
		}
	}
	slices.Sort(codes)
	return codes, false
}

// HasClass reports whether the table of classes names the code.
func HasClass(code fault.Code) bool {
	for _, codes := range classes() {
		if slices.Contains(codes, code) {
			return true
		}
	}
	return false
}

// What differs between the messages of errors of one kind: quoted values and numbers.
var (
	quotedValue = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	number      = regexp.MustCompile(`[0-9][0-9a-fx.,_-]*`)
)

// Signature is the same for errors with one code, one field and one message
// but for the values in it.
func Signature(code fault.Code, field, message string) string {
	shape := number.ReplaceAllString(quotedValue.ReplaceAllString(message, "*"), "#")
	sum := sha256.Sum256([]byte(string(code) + "\x00" + field + "\x00" + shape))
	return hex.EncodeToString(sum[:8])
}

// WithoutValues gives a message without the values that it quotes.
func WithoutValues(message string) string { return quotedValue.ReplaceAllString(message, `"..."`) }
