package celonis

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// KnowledgeModel is a knowledge model that the key may read.
type KnowledgeModel struct {
	// ID is <package key>.<knowledge model key>.
	ID   string `json:"id"`
	Name string `json:"name"`
}

// KnowledgeModels gives the first size knowledge models. Faults:
// CelonisAPIDisabled when the team lacks the Intelligence API,
// CelonisForbidden when the key may not use it.
func (c *Client) KnowledgeModels(ctx context.Context, size int) ([]KnowledgeModel, error) {
	var page struct {
		Content []KnowledgeModel `json:"content"`
	}
	err := c.do(ctx, call{
		op: operation{areaIntelligence, "list knowledge models"}, method: http.MethodGet, path: "/intelligence/api/knowledge-models",
		query: url.Values{"pageSize": {strconv.Itoa(size)}}, repeatable: true, out: &page,
	})
	return page.Content, err
}
