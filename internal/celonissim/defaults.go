package celonissim

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/google/uuid"
)

// DefaultOptions are those of the demo: one team with one pool and one data
// connection, an App key, an API key and an OAuth client with every permission,
// all of them generated; jobs take 20 milliseconds and everything pushed is kept in memory.
func DefaultOptions() Options {
	return Options{
		Teams: []Team{{
			Name:   "Simulated team",
			Domain: "sim",
			Credentials: []Credential{
				{Name: "app", Kind: AppKey, Key: NewKey(), PushPools: []string{"*"}, ListPools: true, ManagePools: true, Intelligence: true, Admin: true, UserProvisioning: true},
				{Name: "user", Kind: APIKey, Key: NewKey(), PushPools: []string{"*"}, ListPools: true, ManagePools: true, Intelligence: true, Admin: true, UserProvisioning: true},
			},
			OAuthClients: []OAuthClient{{
				Name: "oauth", ID: uuid.NewString(), Secret: NewClientSecret(), Scopes: PlatformScopes(),
				Permissions: Credential{PushPools: []string{"*"}, ListPools: true, ManagePools: true, Intelligence: true, Admin: true, UserProvisioning: true},
			}},
			Pools: []Pool{{
				ID:            uuid.NewString(),
				Name:          "Simulated pool",
				DataSources:   []Named{{ID: uuid.NewString(), Name: "Simulated source"}},
				DataModels:    []Named{{Name: "Simulated data model"}},
				DataJobs:      []Named{{Name: "Simulated data job"}},
				IngestionKeys: []IngestionKey{{AccessKeyID: "SIM" + rand.Text(), SecretAccessKey: rand.Text() + rand.Text()}},
			}},
			KnowledgeModels: []KnowledgeModel{simulatedModel()},
			Agents:          []Agent{{ID: "simulated-package.simulated-agent", Name: "Simulated agent"}},
		}},
		QueueDelay: 10 * time.Millisecond,
		RunDelay:   10 * time.Millisecond,
	}
}

// simulatedModel is a small model of purchase orders.
func simulatedModel() KnowledgeModel {
	return KnowledgeModel{
		ID: "simulated-package.simulated-model", Name: "Simulated knowledge model",
		Records: []Record{{
			Described: Described{ID: "PURCHASE_ORDER", Name: "Purchase order", Description: "One purchase order item"},
			Fields: []RecordField{
				{Described: Described{ID: "ORDER_ID", Name: "Order id"}, Type: "string"},
				{Described: Described{ID: "NET_VALUE", Name: "Net value"}, Type: "float", Format: ",.2f", Unit: "EUR"},
				{Described: Described{ID: "CREATED", Name: "Created at"}, Type: "datetime"},
			},
		}},
		Filters:  []Described{{ID: "OPEN_ORDERS", Name: "Open orders", Description: "Orders without an invoice"}},
		KPIs:     []KPI{{Described: Described{ID: "ORDER_COUNT", Name: "Orders", Description: "How many orders there are"}, Format: ",d"}},
		Triggers: []Trigger{{ID: "LATE_ORDER", Name: "Order is late", Record: "PURCHASE_ORDER"}},
	}
}

// NewKey makes a random key in the platform's form: base64 of "<uuid>:<secret>".
func NewKey() string {
	return base64.StdEncoding.EncodeToString([]byte(uuid.NewString() + ":" + rand.Text()))
}
