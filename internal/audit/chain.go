package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// version stands in everything that is hashed, so that another form of it is another hash.
const version = "celonis-connector audit v1"

// sealed is the form of an event that is hashed: all of it but the hashes of
// the chain, as one line of JSON with its members in this order.
type sealed struct {
	Workspace string   `json:"workspace"`
	Seq       int64    `json:"seq"`
	ID        string   `json:"id"`
	At        int64    `json:"at"`
	Actor     string   `json:"actor"`
	From      string   `json:"from"`
	RequestID string   `json:"requestId"`
	RunID     string   `json:"runId"`
	Worker    string   `json:"worker"`
	Action    Action   `json:"action"`
	Kind      Kind     `json:"kind"`
	ObjectID  string   `json:"objectId"`
	Name      string   `json:"name"`
	Purpose   Purpose  `json:"purpose"`
	Fields    []string `json:"fields"`
	Before    string   `json:"before"`
	After     string   `json:"after"`
}

// line is the event in the form that is hashed; at is in Unix microseconds.
func (e *Event) line() ([]byte, error) {
	s := sealed{e.Workspace, e.Seq, e.ID, e.At.UnixMicro(), e.Actor, e.From, e.RequestID, e.RunID, e.Worker,
		e.Action, e.Kind, e.ObjectID, e.Name, e.Purpose, e.Fields, e.Before, e.After}
	if s.Fields == nil {
		s.Fields = []string{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s)
	return b.Bytes(), err
}

// Digest is the hash of an event that follows the one with the hash prev:
// SHA-256, in hexadecimal, of prev, a line feed and the event's line.
func (e *Event) Digest(prev string) (string, error) {
	line, err := e.line()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write([]byte(prev + "\n"))
	h.Write(line)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Genesis makes what the first event of a workspace's chain follows. It seals
// the events that are older than the chain: Add them in the order of their ids.
type Genesis struct {
	workspace string
	sum       []byte
	older     int64
}

// NewGenesis begins the genesis of a workspace.
func NewGenesis(workspace string) *Genesis {
	sum := sha256.Sum256([]byte(version + "\n" + workspace + "\n"))
	return &Genesis{workspace: workspace, sum: sum[:]}
}

// Add takes the next older event.
func (g *Genesis) Add(e *Event) error {
	digest, err := e.Digest(hex.EncodeToString(g.sum))
	if err != nil {
		return err
	}
	g.older++
	g.sum, err = hex.DecodeString(digest)
	return err
}

// Hash is the genesis so far, and Older how many events it seals.
func (g *Genesis) Hash() string { return hex.EncodeToString(g.sum) }

// Older counts the events that were added.
func (g *Genesis) Older() int64 { return g.older }

// Head is the end of a workspace's chain.
type Head struct {
	Workspace string
	// Seq is the number of the last event, 0 for none; Hash is its hash, the genesis for none.
	Seq  int64
	Hash string
	// Genesis is what the first event follows, and Older how many events it seals.
	Genesis string
	Older   int64
}

// Anchor is a place of a chain that somebody keeps elsewhere: what stands up
// to it cannot be rewritten without being found.
type Anchor struct {
	Seq  int64
	Hash string
}

// String gives "seq:hash".
func (a Anchor) String() string { return strconv.FormatInt(a.Seq, 10) + ":" + a.Hash }

// ParseAnchor reads what String gives.
func ParseAnchor(text string) (Anchor, error) {
	number, hash, _ := strings.Cut(strings.TrimSpace(text), ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	raw, hexErr := hex.DecodeString(hash)
	if err != nil || hexErr != nil || seq < 0 || len(raw) != sha256.Size || strconv.FormatInt(seq, 10) != number {
		return Anchor{}, fmt.Errorf("%q is no head: it reads seq:hash, as connector audit head prints it", text)
	}
	return Anchor{seq, strings.ToLower(hash)}, nil
}

// Hash is a digest of an object without its secrets: SHA-256, in hexadecimal,
// of its JSON with the members in order. Fingerprints stand in for secrets.
func Hash(object any) (string, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return "", err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return "", err
	}
	if text, err = json.Marshal(plain); err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
