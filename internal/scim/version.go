package scim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// VersionOf gives the entity tag of a resource: the server's, else a weak one
// made of what it holds.
func VersionOf(r Resource) string {
	if version := r.Object("meta").Text("version"); version != "" {
		return version
	}
	plain := Resource{}
	for name, v := range r {
		if !strings.EqualFold(name, "meta") && !strings.EqualFold(name, "schemas") {
			plain[name] = v
		}
	}
	text, err := json.Marshal(map[string]any(plain))
	if err != nil { // values of JSON always have a JSON form
		return ""
	}
	sum := sha256.Sum256(text)
	const enough = 12
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:enough]) + `"`
}

// VersionFits reports whether a tag is among those of an If-Match. SCIM's tags
// are weak ones mostly, so they are compared weakly; "*" is any.
func VersionFits(version string, tags []string) bool {
	for _, tag := range tags {
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(version, "W/") {
			return true
		}
	}
	return false
}
