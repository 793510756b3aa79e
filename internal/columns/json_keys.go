package columns

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

const (
	// maxLearned and maxLearnedBytes bound the keys that a Raw remembers.
	maxLearned      = 2 * MaxColumns
	maxLearnedBytes = 1 << 20
	// maxLeadSpace bounds the white space that is remembered around a key.
	maxLeadSpace = 64
)

// keyGuess predicts the next key of a record from the one before it: records
// of one source mostly have their keys in one order, so a comparison of bytes
// takes the place of a look-up. Keys have ids from 1; id 0 stands for the
// record's start and for a key that is not remembered.
type keyGuess struct {
	of    *jsonDecoder // whose columns these are
	keys  []jsonKey    // by id
	ids   map[string]int32
	bytes int
}

// jsonKey is a key that was seen.
type jsonKey struct {
	written string // without its quotes
	col     int32  // its column, -1 when it has none
	next    int32  // the id that followed it last
	lead    lead
}

// attach empties the memory when it was filled for another decoder.
func (k *keyGuess) attach(d *jsonDecoder) {
	if k.of == d {
		return
	}
	*k = keyGuess{of: d, keys: []jsonKey{{col: -1}}, ids: make(map[string]int32)}
}

// learn remembers a key as written, without its quotes. It gives 0 when there
// is no room.
func (k *keyGuess) learn(written []byte, col int32) int32 {
	if len(k.keys) > maxLearned || k.bytes+len(written) > maxLearnedBytes {
		return 0
	}
	id, text := int32(len(k.keys)), string(written)
	k.keys = append(k.keys, jsonKey{written: text, col: col})
	k.ids[text] = id
	k.bytes += len(written)
	return id
}

// forget drops the keys from id on.
func (k *keyGuess) forget(id int) {
	for i := range k.keys[id:] {
		delete(k.ids, k.keys[id+i].written)
	}
	k.keys = k.keys[:id]
	for i := range k.keys {
		if int(k.keys[i].next) >= id {
			k.keys[i].next = 0
		}
	}
}

// names gives the names of the keys in the order they were learned, each once.
func (k *keyGuess) names() []string {
	names := make([]string, 0, len(k.keys))
	seen := make(map[string]bool, len(k.keys))
	for i := 1; i < len(k.keys); i++ {
		name, ok := unescape(nil, []byte(k.keys[i].written))
		if ok && !seen[string(name)] {
			seen[string(name)] = true
			names = append(names, string(name))
		}
	}
	return names
}

// lead is what stood before a key's value the last time: the key in its quotes,
// the colon and the white space around them. Its first 32 bytes, or all when
// they are fewer, are kept as words that may overlap.
type lead struct {
	text []byte // empty when it is not known
	a, b uint64 // at 0 and at ob
	c, d uint64 // at oc and at od, which is the end
	mask uint64 // of the bytes that count
	// need is how many bytes are read to compare the words.
	ob, oc, od, need int
}

// set remembers the bytes before a value.
func (l *lead) set(text []byte) {
	l.text = append(l.text[:0], text...)
	n := len(text)
	l.mask, l.need = ^uint64(0), max(n, wordBytes)
	if n < wordBytes {
		l.mask = 1<<(8*n) - 1
	}
	l.ob, l.oc, l.od = max(min(n-wordBytes, wordBytes), 0), max(min(n-wordBytes, 2*wordBytes), 0), max(n-wordBytes, 0)
	padded := append(l.text, make([]byte, wordBytes)...)
	l.a, l.b = word(padded, 0)&l.mask, word(padded, l.ob)&l.mask
	l.c, l.d = word(padded, l.oc)&l.mask, word(padded, l.od)&l.mask
}

// at reports whether the bytes stand at data[i], with no more white space behind them.
func (l *lead) at(data []byte, i int) bool {
	if behind := i + len(l.text); len(data)-i < l.need || behind == i || behind < len(data) && data[behind] <= ' ' {
		return false
	}
	d := data[i : i+l.need]
	differ := (word(d, 0) ^ l.a) | (word(d, l.ob) ^ l.b) | (word(d, l.oc) ^ l.c) | (word(d, l.od) ^ l.d)
	return differ&l.mask == 0 && (l.need <= 4*wordBytes || bytes.Equal(d[3*wordBytes:l.od], l.text[3*wordBytes:l.od]))
}

// word reads eight bytes.
func word(data []byte, i int) uint64 { return binary.LittleEndian.Uint64(data[i:]) }

// quoted words a key for a message.
func quoted(key []byte) string { return strconv.Quote(shorten(key)) }
