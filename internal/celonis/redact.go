package celonis

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/celonis-connector/connector/crypto"
)

const (
	// gram is the length of the shortest piece of a key that is taken out of a
	// text: servers echo headers, and sometimes only a part of them.
	gram = 8
	// maxWords bounds what is repeated of Celonis's own words, in characters;
	// maxRead what is looked at of them, in bytes.
	maxWords = 300
	maxRead  = 16 << 10

	redactedMark = "[redacted]"
)

// redactor takes a key out of foreign text by value, in every form in which a
// server may echo it.
type redactor struct {
	// grams are all pieces of gram bytes of all forms.
	grams map[string]struct{}
	// short are the forms that are shorter than a gram.
	short []string

	// others are the redactors of secrets that came later.
	mu     sync.RWMutex
	others []*redactor
}

// also takes out another secret too, one that came later.
func (r *redactor) also(other *redactor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.others, other) {
		r.others = append(r.others, other)
	}
}

// scrub replaces every piece of every secret.
func (r *redactor) scrub(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s = r.scrubOwn(s)
	for _, other := range r.others {
		s = other.scrub(s)
	}
	return s
}

func newRedactor(key crypto.Secret) *redactor {
	r := &redactor{grams: map[string]struct{}{}}
	for _, form := range formsOf(key.Reveal()) {
		if len(form) < gram {
			if form != "" {
				r.short = append(r.short, form)
			}
			continue
		}
		for i := range len(form) - gram + 1 {
			r.grams[form[i:i+gram]] = struct{}{}
		}
	}
	return r
}

var percentHex = regexp.MustCompile(`%[0-9A-F]{2}`)

// formsOf lists the key raw, decoded (Celonis's keys are base64 of an id and a
// secret), in base64 at each of the three alignments, hexadecimal, URL-encoded
// and as a JSON string.
func formsOf(key string) []string {
	forms := []string{key, hex.EncodeToString([]byte(key))}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if plain, err := enc.DecodeString(key); err == nil {
			forms = append(forms, string(plain))
		}
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for pad := range 3 {
			text := enc.EncodeToString([]byte(strings.Repeat(" ", pad) + key))
			// The outer characters depend on the neighbours of the key.
			if len(text) > 4 {
				forms = append(forms, text[min(pad*2, len(text)-2):len(text)-2])
			}
		}
	}
	for _, escaped := range []string{url.QueryEscape(key), url.PathEscape(key)} {
		forms = append(forms, escaped, percentHex.ReplaceAllStringFunc(escaped, strings.ToLower))
	}
	if quoted, err := json.Marshal(key); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	return forms
}

// scrubOwn replaces every piece of the redactor's own secret.
func (r *redactor) scrubOwn(s string) string {
	for _, form := range r.short {
		s = strings.ReplaceAll(s, form, redactedMark)
	}
	var b strings.Builder
	done, hit := 0, -1
	for i := 0; i+gram <= len(s); i++ {
		if _, found := r.grams[s[i:i+gram]]; !found {
			continue
		}
		switch {
		case hit < 0 || i > hit:
			b.WriteString(s[done:i])
			b.WriteString(redactedMark)
			hit = i + gram
		default:
			hit = i + gram
		}
		done = hit
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// words makes foreign text fit for a sentence: without the key, on one line, bounded.
func (r *redactor) words(s string) string {
	if len(s) > maxRead {
		s = s[:maxRead]
	}
	s = r.scrub(strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.FieldsFunc(s, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if chars := []rune(s); len(chars) > maxWords {
		s = string(chars[:maxWords]) + "..."
	}
	return s
}

// quiet wraps an error so that its text is redacted; errors.Is and errors.As
// still see what it was.
func (r *redactor) quiet(err error) error {
	if err == nil {
		return nil
	}
	return &quietError{text: r.words(err.Error()), err: err}
}

type quietError struct {
	text string
	err  error
}

func (e *quietError) Error() string        { return e.text }
func (e *quietError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *quietError) As(target any) bool   { return errors.As(e.err, target) }
