package config_test

import (
	"testing"

	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
)

func TestSettingsOfListening(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		says string
	}{
		{"a certificate alone", map[string]string{"CONNECTOR_TLS_CERT_FILE": "c.pem"}, "need each other"},
		{"a key alone", map[string]string{"CONNECTOR_TLS_KEY_FILE": "k.pem"}, "need each other"},
		{"client authorities alone", map[string]string{"CONNECTOR_TLS_CLIENT_CA_FILE": "ca.pem"}, "CONNECTOR_TLS_CERT_FILE"},
		{"a wildcard", map[string]string{"CONNECTOR_CORS_ORIGINS": "*"}, "CONNECTOR_CORS_ORIGINS"},
		{"a wildcard in a host", map[string]string{"CONNECTOR_CORS_ORIGINS": "https://*.example.com"}, "CONNECTOR_CORS_ORIGINS"},
		{"null", map[string]string{"CONNECTOR_CORS_ORIGINS": "null"}, "CONNECTOR_CORS_ORIGINS"},
		{"a path", map[string]string{"CONNECTOR_CORS_ORIGINS": "https://app.example.com/"}, "CONNECTOR_CORS_ORIGINS"},
		{"a default port", map[string]string{"CONNECTOR_CORS_ORIGINS": "https://app.example.com:443"}, "CONNECTOR_CORS_ORIGINS"},
		{"upper case", map[string]string{"CONNECTOR_CORS_ORIGINS": "https://App.example.com"}, "CONNECTOR_CORS_ORIGINS"},
		{"user-info", map[string]string{"CONNECTOR_CORS_ORIGINS": "https://a@example.com"}, "CONNECTOR_CORS_ORIGINS"},
		{"no network", map[string]string{"CONNECTOR_TRUSTED_PROXIES": "proxy.example.com"}, "CONNECTOR_TRUSTED_PROXIES"},
		{"everybody", map[string]string{"CONNECTOR_TRUSTED_PROXIES": "10.0.0.1,0.0.0.0/0"}, "CONNECTOR_TRUSTED_PROXIES"},
		{"everybody by IPv6", map[string]string{"CONNECTOR_TRUSTED_PROXIES": "::/0"}, "CONNECTOR_TRUSTED_PROXIES"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			_, err := config.FromEnvironment()
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestProxies(t *testing.T) {
	t.Setenv("CONNECTOR_TRUSTED_PROXIES", "10.1.2.3/8, 192.168.0.9,::1,fd00::/8,::ffff:10.0.0.1")
	t.Setenv("CONNECTOR_CORS_ORIGINS", "https://app.example.com,http://localhost:3000")
	c, err := config.FromEnvironment()
	require.NoError(t, err)
	proxies, err := c.Proxies()
	require.NoError(t, err)
	var text []string
	for _, p := range proxies {
		text = append(text, p.String())
	}
	require.Equal(t, []string{"10.0.0.0/8", "192.168.0.9/32", "::1/128", "fd00::/8", "10.0.0.1/32"}, text)
	require.Equal(t, []string{"https://app.example.com", "http://localhost:3000"}, c.CORSOrigins)
}
