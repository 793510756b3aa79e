package columns

import "strconv"

const (
	// maxLearned and maxLearnedBytes bound the keys that a Raw remembers.
	maxLearned      = 2 * MaxColumns
	maxLearnedBytes = 1 << 20
)

// keyGuess predicts the next key of a record from the one before it: records
// of one source mostly have their keys in one order, so a comparison of bytes
// takes the place of a look-up. Keys have ids from 1; id 0 stands for the
// record's start and for a key that is not remembered.
type keyGuess struct {
	of     *jsonDecoder // whose columns these are
	tokens []string     // by id: the key as written, with its quotes
	cols   []int32      // by id: its column, -1 when it has none
	next   []int32      // by id: the id that followed it last
	ids    map[string]int32
	bytes  int
}

// attach empties the memory when it was filled for another decoder.
func (k *keyGuess) attach(d *jsonDecoder) {
	if k.of == d {
		return
	}
	*k = keyGuess{of: d, tokens: []string{""}, cols: []int32{-1}, next: []int32{0}, ids: make(map[string]int32)}
}

// learn remembers a key as written, without its quotes. It gives 0 when there
// is no room.
func (k *keyGuess) learn(written []byte, col int32) int32 {
	if len(k.tokens) > maxLearned || k.bytes+len(written) > maxLearnedBytes {
		return 0
	}
	id := int32(len(k.tokens))
	token := `"` + string(written) + `"`
	k.tokens = append(k.tokens, token)
	k.cols = append(k.cols, col)
	k.next = append(k.next, 0)
	k.ids[token[1:len(token)-1]] = id
	k.bytes += len(written)
	return id
}

// forget drops the keys from id on.
func (k *keyGuess) forget(id int) {
	for _, token := range k.tokens[id:] {
		delete(k.ids, token[1:len(token)-1])
	}
	k.tokens, k.cols, k.next = k.tokens[:id], k.cols[:id], k.next[:id]
	for i, n := range k.next {
		if int(n) >= id {
			k.next[i] = 0
		}
	}
}

// names gives the names of the keys in the order they were learned, each once.
func (k *keyGuess) names() []string {
	names := make([]string, 0, len(k.tokens))
	seen := make(map[string]bool, len(k.tokens))
	for _, token := range k.tokens[min(1, len(k.tokens)):] {
		name, ok := unescape(nil, []byte(token[1:len(token)-1]))
		if ok && !seen[string(name)] {
			seen[string(name)] = true
			names = append(names, string(name))
		}
	}
	return names
}

// quoted words a key for a message.
func quoted(key []byte) string { return strconv.Quote(shorten(key)) }
