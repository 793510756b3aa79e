package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
)

// apiClient calls this process's own API on loopback, as any caller would.
type apiClient struct {
	http     *http.Client
	base     string
	clientID string
	secret   crypto.Secret
	token    string
}

// newAPIClient makes an API client with every scope and a token for it.
func newAPIClient(ctx context.Context, a *app.App) (*apiClient, error) {
	c, secret, err := a.Access.CreateClient(ctx, app.Workspace, "demo", []string{"all"})
	if err != nil {
		return nil, err
	}
	api := &apiClient{http: &http.Client{Transport: &http.Transport{}}, base: a.URL(), clientID: c.ID, secret: secret}
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api.base+"/oauth/token", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(secret.Reveal()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := api.do(req, &token); err != nil {
		return nil, err
	}
	api.token = token.AccessToken
	return api, nil
}

// call sends a JSON body, or none when it is nil, and reads the answer into out.
func (a *apiClient) call(ctx context.Context, method, path string, body, out any) error {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, reader)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return a.do(req, out)
}

// upload streams a file to POST /v1/files.
func (a *apiClient) upload(ctx context.Context, path string, out any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		part, err := form.CreateFormFile("file", filepath.Base(path))
		if err == nil {
			_, err = io.Copy(part, f)
		}
		if err == nil {
			err = form.Close()
		}
		writer.CloseWithError(err)
	}()
	defer reader.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/v1/files", reader)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return a.do(req, out)
}

func (a *apiClient) do(req *http.Request, out any) error {
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %d: %s", req.Method, req.URL.Path, res.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}
