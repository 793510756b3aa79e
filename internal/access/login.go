package access

import (
	"context"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
)

// Login is a client that showed a secret of its own.
type Login struct {
	Client
	// SecretID is the secret that it showed; its tokens end with it.
	SecretID string
}

// Principal is the client with all of its scopes.
func (l Login) Principal() Principal {
	return Principal{ClientID: l.ID, Name: l.Name, Workspace: l.Workspace, Scopes: l.Scopes}
}

// Authenticate checks a client's secret. Unknown client, wrong or expired
// secret and disabled client are the same fault, AccessUnauthenticated, so
// that an answer does not tell which ids exist.
//
// A right secret needs no read while the client is remembered. What looks
// wrong is looked at once more as the database has it now, because a secret
// may be younger than what is remembered; such reads of a client are shared,
// so that guessing, however hard, keeps nobody who is right from coming in.
func (s *Service) Authenticate(ctx context.Context, clientID string, secret crypto.Secret) (Login, error) {
	if !possibleID(clientID) {
		return Login{}, errLogin()
	}
	c, fresh, err := s.clients.get(ctx, clientID)
	if login, ok := s.login(c, err, secret); ok {
		return login, nil
	}
	if !fresh {
		c, err = s.clients.read(ctx, clientID)
		if login, ok := s.login(c, err, secret); ok {
			return login, nil
		}
	}
	if err != nil && !fault.Has(err, fault.AccessClientNotFound) {
		return Login{}, err
	}
	return Login{}, errLogin()
}

func (s *Service) login(c *Client, err error, secret crypto.Secret) (Login, bool) {
	if err != nil || c.Disabled {
		return Login{}, false
	}
	found := c.opens(secret, s.deps.Now())
	if found == nil {
		return Login{}, false
	}
	return Login{Client: *c, SecretID: found.ID}, true
}

func errLogin() error {
	return fault.New(fault.AccessUnauthenticated, "the client is unknown or disabled, or its secret is wrong")
}

// possibleID reports whether a client could have the id: what could not is not asked for.
func possibleID(id string) bool {
	const canonical = 36 // the other forms of a UUID are no ids of ours
	return len(id) == canonical && uuid.Validate(id) == nil
}

// touch notes the use of a secret, at most once in touchEvery.
func (s *Service) touch(ctx context.Context, l Login) error {
	now := s.deps.Now()
	used := l.secret(l.SecretID, now)
	if used != nil && now.Sub(used.LastUsedAt) < touchEvery {
		return nil
	}
	defer s.clients.forget(l.ID)
	return s.deps.Repository.TouchClient(ctx, Use{ClientID: l.ID, SecretID: l.SecretID, At: now})
}
