package crypto_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
)

// vectors are frozen: whatever the code becomes, it must read them, and refuse
// the broken ones for the reason that they name.
type vectors struct {
	Keyring string
	AAD     crypto.AAD
	Vectors []vector
	Canary  string
	Derived struct{ KeyID, Label, Bytes string }
}

type vector struct {
	Name     string
	Envelope string
	Plain    *string
	AAD      *crypto.AAD
	Error    string
}

var reasons = map[string]error{
	"open": crypto.ErrOpen, "unknown": crypto.ErrUnknownKey, "envelope": crypto.ErrEnvelope, "aad": crypto.ErrAAD,
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/envelopes.json")
	require.NoError(t, err)
	var v vectors
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&v))
	require.Greater(t, len(v.Vectors), 25)
	return v
}

func TestVectors(t *testing.T) {
	t.Parallel()
	all := readVectors(t)
	keyring, err := crypto.ParseKeyring(all.Keyring)
	require.NoError(t, err)
	for _, v := range all.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			aad := all.AAD
			if v.AAD != nil {
				aad = *v.AAD
			}
			plain, err := keyring.Open(v.Envelope, aad)
			if v.Plain != nil {
				require.NoError(t, err)
				require.Equal(t, *v.Plain, plain.Reveal())
				return
			}
			require.Contains(t, reasons, v.Error)
			require.ErrorIs(t, err, reasons[v.Error])
			require.True(t, plain.IsZero())
			require.NotContains(t, err.Error(), "opensesame")
		})
	}
	require.NoError(t, keyring.CheckCanary(all.Canary))
	derived, err := keyring.Derive(all.Derived.KeyID, all.Derived.Label, 32)
	require.NoError(t, err)
	require.Equal(t, all.Derived.Bytes, hex.EncodeToString(derived))
}

// TestVectorsOpenByTheirDescription opens the good vectors with the standard
// library alone, from what is said of the format in words.
func TestVectorsOpenByTheirDescription(t *testing.T) {
	t.Parallel()
	all := readVectors(t)
	masters := map[string][]byte{}
	for entry := range strings.SplitSeq(all.Keyring, ",") {
		id, text, _ := strings.Cut(entry, ":")
		key, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		masters[id] = key
	}
	lengthPrefixed := func(parts ...string) (out []byte) {
		for _, p := range parts {
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(p))), p...)
		}
		return out
	}
	for _, v := range all.Vectors {
		if v.Plain == nil {
			continue
		}
		parts := strings.Split(v.Envelope, ".")
		info := lengthPrefixed("celonis-connector/v1/data-key", all.AAD.Workspace)
		key, err := hkdf.Key(sha256.New, masters[parts[1]], nil, string(info), 32)
		require.NoError(t, err)
		block, err := aes.NewCipher(key)
		require.NoError(t, err)
		gcm, err := cipher.NewGCM(block)
		require.NoError(t, err)
		nonce, err := base64.RawURLEncoding.DecodeString(parts[2])
		require.NoError(t, err)
		sealed, err := base64.RawURLEncoding.DecodeString(parts[3])
		require.NoError(t, err)
		aad := lengthPrefixed("celonis-connector/v1/envelope", all.AAD.Workspace, all.AAD.Kind, all.AAD.ID, all.AAD.Field)
		plain, err := gcm.Open(nil, nonce, sealed, aad)
		require.NoError(t, err, v.Name)
		require.Equal(t, *v.Plain, string(plain), v.Name)
	}
}

// FuzzParseEnvelope: what parses marshals back to the same bytes, so that an
// envelope has one text only.
func FuzzParseEnvelope(f *testing.F) {
	for _, v := range readVectors(f).Vectors {
		f.Add(v.Envelope)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := crypto.ParseEnvelope(text)
		if err != nil {
			require.ErrorIs(t, err, crypto.ErrEnvelope)
			return
		}
		require.Equal(t, text, e.String())
	})
}

// FuzzOpen: no text but a sealed one opens, and none breaks the code.
func FuzzOpen(f *testing.F) {
	all := readVectors(f)
	keyring, err := crypto.ParseKeyring(all.Keyring)
	require.NoError(f, err)
	good := map[string]bool{}
	for _, v := range all.Vectors {
		f.Add(v.Envelope)
		good[v.Envelope] = v.Plain != nil || good[v.Envelope]
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := keyring.Open(text, all.AAD)
		require.Equal(t, good[text], err == nil)
	})
}
