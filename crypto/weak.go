package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

// minDistinct is how many different byte values a key needs at least. Random
// keys have about 30 of 32 and fewer than 17 once in 10^9; 16 is the most that
// a repeated half can have.
const minDistinct = 17

// weakness says why a key can be guessed, or "".
func weakness(key []byte) string {
	switch {
	case isSequence(key):
		return "repeats or counts"
	case isText(key):
		return "is text; take random bytes"
	case distinct(key) < minDistinct:
		return "has too few different bytes"
	case isSample(key):
		return "is a published sample or the hash of a common word"
	}
	return ""
}

// isSequence: the step from byte to byte is always the same, 0 included.
func isSequence(key []byte) bool {
	step := key[1] - key[0]
	for i := 2; i < len(key); i++ {
		if key[i]-key[i-1] != step {
			return false
		}
	}
	return true
}

// isText: the key reads as printable UTF-8, hexadecimal digits for one.
func isText(key []byte) bool {
	if !utf8.Valid(key) {
		return false
	}
	for _, r := range string(key) {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

func distinct(key []byte) int {
	var seen [256]bool
	n := 0
	for _, b := range key {
		if !seen[b] {
			seen[b] = true
			n++
		}
	}
	return n
}

// isSample: the key stands in a published test vector, or is the SHA-256 of a
// word that people take.
func isSample(key []byte) bool {
	for _, vector := range []string{
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", // AES-256 in NIST SP 800-38A
		"c47b0294dbbbee0fec4757f22ffeee3587ca4730c3d33b691df38bab076bc558", // AES-256 key set in NIST's known answers
		"1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0", // ChaCha20-Poly1305 in RFC 8439
	} {
		if sample, err := hex.DecodeString(vector); err == nil && bytes.Equal(sample, key) {
			return true
		}
	}
	for _, word := range []string{
		"", "secret", "password", "changeme", "change-me", "default", "test", "example", "key", "master", "masterkey",
		"master-key", "admin", "celonis", "connector", "celonis-connector", "supersecret", "12345678", "123456", "hello", "demo",
	} {
		for _, end := range []string{"", "\n"} {
			if sum := sha256.Sum256([]byte(word + end)); bytes.Equal(sum[:], key) {
				return true
			}
		}
	}
	return false
}
