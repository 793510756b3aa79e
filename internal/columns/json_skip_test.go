package columns

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainSkip is skipNested a byte at a time.
func plainSkip(data []byte, i int) (end int, ok bool) {
	depth, text := 0, false
	for ; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			text = !text
		case text && c == '\\':
			i++
		case text:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(data), false
}

// FuzzSkip holds the skipping of elements against a scan of single bytes.
func FuzzSkip(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":"}"}`, `{"a":"\"}"}`, `{"a":"\\"}`, `{"a":[{"b":"]}"}]}`, `[1,[2,{"x":"["}]]`, `{"a":1`, `{"a":"\`, `{]`, `{"a}`,
		`{"0123456":"01234567","\\\"":"\\\\"}  }`, `{"aaaaaaaaaaaaaaaaaaaaaaaaaaa":{"b":"\u007d"},"c":"` + strings.Repeat(`\"`, 20) + `"},{"d":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, c := range data {
			if c != '{' && c != '[' {
				continue
			}
			end, ok := plainSkip(data, i)
			gotEnd, gotOK := skipElement(data, i)
			require.Equal(t, ok, gotOK, "%q", data[i:])
			require.Equal(t, end, gotEnd, "%q", data[i:])
		}
	})
}
