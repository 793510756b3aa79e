package crypto_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
)

const (
	keyA = "jQGe0QSVmh8x3Ck9uVwRr7Vn0bI5Y2oXkqf4ZtTzW1E="
	keyB = "b7Yq2mK4cN8vXw0Lr5sTj9dHf3gZaQ1eUoIiPpSxByA="
)

var place = crypto.AAD{Workspace: "w", Kind: "connection", ID: "c", Field: "appKey"}

func keyring(t testing.TB, spec string) *crypto.Keyring {
	t.Helper()
	k, err := crypto.ParseKeyring(spec)
	require.NoError(t, err)
	return k
}

func TestParseKeyring(t *testing.T) {
	t.Parallel()
	url := strings.NewReplacer("+", "-", "/", "_").Replace
	for name, spec := range map[string]string{
		"one":             "a:" + keyA,
		"two":             "a:" + keyA + ",b:" + keyB,
		"lines, as file":  "a:" + keyA + "\r\n\n b:" + keyB + " \n",
		"no padding":      "a:" + strings.TrimRight(keyA, "="),
		"URL alphabet":    "a:" + url("9+/rJ0m8b5Zq2mK4cN8vXw0Lr5sTj9dHf3gZaQ1eUoE="),
		"longest id":      strings.Repeat("z", 32) + ":" + keyA,
		"digits, hyphens": "2026-01-key:" + keyA,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := keyring(t, spec)
			id, _, _ := strings.Cut(spec, ":")
			require.Equal(t, id, k.PrimaryID())
			require.Equal(t, id, k.IDs()[0])
			require.True(t, k.Has(id))
			require.False(t, k.Has("absent"))
		})
	}
}

func TestParseKeyringRefuses(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{
		"nothing":        "",
		"only commas":    " ,\n,",
		"key alone":      keyA,
		"no id":          ":" + keyA,
		"capital id":     "A:" + keyA,
		"id with dot":    "a.b:" + keyA,
		"id too long":    strings.Repeat("z", 33) + ":" + keyA,
		"id twice":       "a:" + keyA + ",a:" + keyB,
		"key twice":      "a:" + keyA + ",b:" + keyA,
		"31 bytes":       "a:" + base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"33 bytes":       "a:" + base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"stray bits":     "a:" + strings.Replace(keyA, "W1E=", "W1F=", 1),
		"not base64":     "a:" + strings.Replace(keyA, "j", "!", 1),
		"hex":            "a:" + hex.EncodeToString([]byte(keyA)[:32]),
		"key with colon": "a:b:" + keyA,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := crypto.ParseKeyring(spec)
			require.ErrorIs(t, err, crypto.ErrKeyring)
			for _, key := range []string{keyA, keyB} {
				require.NotContains(t, err.Error(), key[:8])
			}
		})
	}
}

func TestParseKeyringRefusesWeakKeys(t *testing.T) {
	t.Parallel()
	bytesOf := func(f func(i int) byte) string {
		key := make([]byte, 32)
		for i := range key {
			key[i] = f(i)
		}
		return string(key)
	}
	sum := func(word string) string { s := sha256.Sum256([]byte(word)); return string(s[:]) }
	half := make([]byte, 16)
	_, err := rand.Read(half)
	require.NoError(t, err)
	for name, key := range map[string]string{
		"zeros":           bytesOf(func(int) byte { return 0 }),
		"all 0xff":        bytesOf(func(int) byte { return 0xff }),
		"counting":        bytesOf(func(i int) byte { return byte(i) }),
		"counting by 7":   bytesOf(func(i int) byte { return byte(200 + 7*i) }),
		"counting down":   bytesOf(func(i int) byte { return byte(-i) }),
		"two values":      bytesOf(func(i int) byte { return byte(i%2) * 0x9c }),
		"sixteen values":  bytesOf(func(i int) byte { return byte(i*i) & 0xf }),
		"repeated half":   string(half) + string(half),
		"hex text":        "8e0f4b1a77c2d9e35f60a1b2c3d4e5f6",
		"a sentence":      "correct horse battery staple ok!",
		"UTF-8 text":      "schlüssel für die datenbank, b",
		"hash of a word":  sum("changeme"),
		"hash of echo":    sum("password\n"),
		"NIST SP 800-38A": unhex(t, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Len(t, key, 32)
			_, err := crypto.ParseKeyring("good:" + keyA + ",sample:" + base64.StdEncoding.EncodeToString([]byte(key)))
			require.ErrorIs(t, err, crypto.ErrWeakKey)
			require.ErrorContains(t, err, `"sample"`)
		})
	}
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return string(b)
}

func TestGenerateEntry(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		entry, err := crypto.GenerateEntry()
		require.NoError(t, err)
		require.Regexp(t, `^k[0-9a-f]{8}:[A-Za-z0-9+/]{43}=$`, entry)
		keyring(t, entry)
		require.False(t, seen[entry])
		seen[entry] = true
	}
}

func TestSealOpenAtBorders(t *testing.T) {
	t.Parallel()
	k := keyring(t, "a:"+keyA)
	for _, n := range []int{0, 1, 15, 16, 17, 4096, crypto.MaxPlaintext - 1, crypto.MaxPlaintext} {
		plain := crypto.NewSecret(strings.Repeat("x", n))
		envelope, err := k.Seal(plain, place)
		require.NoError(t, err)
		opened, err := k.Open(envelope, place)
		require.NoError(t, err)
		require.True(t, plain.Equal(opened))
		again, err := k.Seal(plain, place)
		require.NoError(t, err)
		require.NotEqual(t, envelope, again, "a fresh nonce for each seal")
	}
	_, err := k.Seal(crypto.NewSecret(strings.Repeat("x", crypto.MaxPlaintext+1)), place)
	require.ErrorIs(t, err, crypto.ErrTooLong)
	for _, partly := range []crypto.AAD{
		{}, {Workspace: "w", Kind: "k", ID: "i"}, {Workspace: "w", Kind: "k", Field: "f"},
		{Workspace: "w", ID: "i", Field: "f"}, {Kind: "k", ID: "i", Field: "f"},
	} {
		_, err := k.Seal(crypto.NewSecret("x"), partly)
		require.ErrorIs(t, err, crypto.ErrAAD)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	older, both, newer := keyring(t, "a:"+keyA), keyring(t, "b:"+keyB+",a:"+keyA), keyring(t, "b:"+keyB)
	envelope, err := older.Seal(crypto.NewSecret("opensesame"), place)
	require.NoError(t, err)

	rotated, changed, err := both.Rotate(envelope, place)
	require.NoError(t, err)
	require.True(t, changed)
	id, err := crypto.KeyID(rotated)
	require.NoError(t, err)
	require.Equal(t, "b", id)
	opened, err := newer.Open(rotated, place)
	require.NoError(t, err)
	require.Equal(t, "opensesame", opened.Reveal())

	same, changed, err := both.Rotate(rotated, place)
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, rotated, same)

	_, changed, err = newer.Rotate(envelope, place)
	require.ErrorIs(t, err, crypto.ErrUnknownKey)
	require.ErrorContains(t, err, `"a"`)
	require.False(t, changed)
}

func TestCanary(t *testing.T) {
	t.Parallel()
	k := keyring(t, "a:"+keyA)
	canary, err := k.SealCanary()
	require.NoError(t, err)
	require.NoError(t, k.CheckCanary(canary))
	require.NoError(t, keyring(t, "b:"+keyB+",a:"+keyA).CheckCanary(canary))
	for _, c := range []struct {
		name, keyring, envelope string
		cause                   error
	}{
		{"key is missing", "b:" + keyB, canary, crypto.ErrUnknownKey},
		{"another key of the same id", "a:" + keyB, canary, crypto.ErrOpen},
		{"damaged", "a:" + keyA, canary + "x", crypto.ErrEnvelope},
	} {
		err := keyring(t, c.keyring).CheckCanary(c.envelope)
		require.ErrorIs(t, err, crypto.ErrCanary, c.name)
		require.ErrorIs(t, err, c.cause, c.name)
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	k := keyring(t, "a:"+keyA+",b:"+keyB)
	derive := func(id, label string, n int) string {
		out, err := k.Derive(id, label, n)
		require.NoError(t, err)
		require.Len(t, out, n)
		return string(out)
	}
	require.Equal(t, derive("a", "tokens", 32), derive("a", "tokens", 32))
	require.NotEqual(t, derive("a", "tokens", 32), derive("b", "tokens", 32))
	require.NotEqual(t, derive("a", "tokens", 32), derive("a", "cursors", 32))
	for _, n := range []int{-1, 0, 15, 65} {
		_, err := k.Derive("a", "tokens", n)
		require.ErrorIs(t, err, crypto.ErrDerive)
	}
	_, err := k.Derive("a", "", 32)
	require.ErrorIs(t, err, crypto.ErrDerive)
	_, err = k.Derive("c", "tokens", 32)
	require.ErrorIs(t, err, crypto.ErrUnknownKey)
}

func TestMachineSecret(t *testing.T) {
	t.Parallel()
	secret, err := crypto.MachineSecret("ccs_")
	require.NoError(t, err)
	require.Regexp(t, `^ccs_[A-Za-z0-9_-]{43}$`, secret.Reveal())
	other, err := crypto.MachineSecret("ccs_")
	require.NoError(t, err)
	require.False(t, secret.Equal(other))

	hash := crypto.HashMachineSecret(secret)
	require.Regexp(t, `^[0-9a-f]{64}$`, hash)
	require.True(t, crypto.VerifyMachineSecret(secret, hash))
	require.False(t, crypto.VerifyMachineSecret(other, hash))
	require.False(t, crypto.VerifyMachineSecret(secret, ""))
	require.False(t, crypto.VerifyMachineSecret(crypto.Secret{}, crypto.HashMachineSecret(crypto.Secret{})))
	require.Equal(t, "3ef4e359302aaa8af99055f2650b167bacef0cc7f093ebc85072e1dfe00ddd4e",
		crypto.HashMachineSecret(crypto.NewSecret("ccs_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")))

	for _, prefix := range []string{"Upper", "a-b", "a b", strings.Repeat("x", 17)} {
		_, err := crypto.MachineSecret(prefix)
		require.ErrorIs(t, err, crypto.ErrPrefix)
	}
}

func BenchmarkOpen(b *testing.B) {
	k := keyring(b, "a:"+keyA)
	envelope, err := k.Seal(crypto.NewSecret("a key of some forty characters, as usual."), place)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(envelope, place); err != nil {
			b.Fatal(err)
		}
	}
}

// Errors carry their sentinel through fmt.Errorf.
func TestErrorsSayOneSentence(t *testing.T) {
	t.Parallel()
	_, err := keyring(t, "a:"+keyA).Open("v1.b.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA", place)
	require.True(t, errors.Is(err, crypto.ErrUnknownKey))
	require.Equal(t, fmt.Sprintf("the keyring does not hold the key %q", "b"), err.Error())
}
