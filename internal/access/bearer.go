package access

import (
	"context"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// SplitBearer takes apart a client's id and secret that are written as one
// bearer token, "id.secret", as identity providers send that know no way to get
// a token; ok is false for what has another form.
func SplitBearer(raw string) (clientID string, secret crypto.Secret, ok bool) {
	id, rest, found := strings.Cut(raw, ".")
	if !found || !possibleID(id) || !strings.HasPrefix(rest, secretPrefix) {
		return "", crypto.Secret{}, false
	}
	return id, crypto.NewSecret(rest), true
}

// VerifyBearer tells who a token of the form "id.secret" belongs to. It lasts
// as long as the secret: it ends when the secret expires or is deleted, and
// with its client. Fault AccessUnauthenticated.
func (s *Service) VerifyBearer(ctx context.Context, raw string) (Principal, error) {
	id, secret, ok := SplitBearer(raw)
	if !ok {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the token is not valid")
	}
	login, err := s.Authenticate(ctx, id, secret)
	if err != nil {
		return Principal{}, err
	}
	return login.Principal(), s.touch(ctx, login)
}
