package celonissim

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/google/uuid"
)

// DefaultOptions are those of the demo: one team with one pool and one data
// connection, an App key and an API key with every permission, all of them
// generated; jobs take 20 milliseconds and everything pushed is kept in memory.
func DefaultOptions() Options {
	return Options{
		Teams: []Team{{
			Name:   "Simulated team",
			Domain: "sim",
			Credentials: []Credential{
				{Name: "app", Kind: AppKey, Key: NewKey(), PushPools: []string{"*"}, ListPools: true, ManagePools: true, Intelligence: true},
				{Name: "user", Kind: APIKey, Key: NewKey(), PushPools: []string{"*"}, ListPools: true, ManagePools: true, Intelligence: true},
			},
			Pools: []Pool{{
				ID:          uuid.NewString(),
				Name:        "Simulated pool",
				DataSources: []Named{{ID: uuid.NewString(), Name: "Simulated source"}},
			}},
			KnowledgeModels: []KnowledgeModel{{ID: "simulated-package.simulated-model", Name: "Simulated knowledge model"}},
		}},
		QueueDelay: 10 * time.Millisecond,
		RunDelay:   10 * time.Millisecond,
	}
}

// NewKey makes a random key in the platform's form: base64 of "<uuid>:<secret>".
func NewKey() string {
	return base64.StdEncoding.EncodeToString([]byte(uuid.NewString() + ":" + rand.Text()))
}
