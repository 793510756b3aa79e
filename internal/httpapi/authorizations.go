package httpapi

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// Authorizations lets users allow connections; *connections.Authorizer does.
type Authorizations interface {
	Start(ctx context.Context, workspace, id string) (connections.Authorization, error)
	Finish(ctx context.Context, r connections.Return) (*connections.Connection, error)
}

var _ Authorizations = (*connections.Authorizer)(nil)

// authorizationView is where a user goes. The address holds the state, which
// is why this answer is not kept for repeats.
type authorizationView struct {
	AuthorizationURL string    `json:"authorizationUrl"`
	ExpiresAt        time.Time `json:"expiresAt"`
}

func (a *api) authorizeConnection(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	begun, err := a.Authorizations.Start(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(authorizationView{begun.URL.Reveal(), moment(begun.ExpiresAt)})
}

// callbackPage is what a user sees at the end. It holds no secret: neither the
// code nor the state.
var callbackPage = template.Must(template.New("callback").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{with .Hint}}<p>{{.}}</p>
{{end}}</body>
</html>
`))

type callbackText struct{ Title, Text, Hint string }

// finishAuthorization is where a user's browser comes back to. It needs no
// token: the state proves that the browser was sent by us.
func (a *api) finishAuthorization(c *gin.Context) {
	q := c.Request.URL.Query()
	ctx := audit.As(c.Request.Context(), audit.Actor{ID: audit.System, RequestID: exchangeOf(c).requestID, From: exchangeOf(c).address})
	made, err := a.Authorizations.Finish(ctx, connections.Return{
		State: crypto.NewSecret(q.Get("state")), Code: crypto.NewSecret(q.Get("code")),
		Error: shorten(q.Get("error")), Description: shorten(q.Get("error_description")),
	})
	if err != nil {
		f := fault.From(err)
		x := exchangeOf(c)
		x.fault, x.err = f, err
		a.writePage(c, fault.Describe(f.Code).Status, callbackText{"The connection is not authorized", f.Message, f.Hint})
		return
	}
	text := callbackText{"The connection is authorized", "The connection " + made.Name + " may now act for you in Celonis. You can close this page.", ""}
	if made.Status != connections.Online {
		text.Text = "The connection " + made.Name + " has your permission, but its test did not go well."
		text.Hint = "See the test of the connection for what is missing."
	}
	a.writePage(c, http.StatusOK, text)
}

func (a *api) writePage(c *gin.Context, status int, text callbackText) {
	var page bytes.Buffer
	if err := callbackPage.Execute(&page, text); err != nil {
		a.fail(c, err)
		return
	}
	write(c, status, "text/html; charset=utf-8", page.Bytes())
}
