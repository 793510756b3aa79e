package scim

import "time"

// Meta is what the server tells about a resource.
type Meta struct {
	ResourceType string
	// Created and LastModified are zero where the server does not tell.
	Created, LastModified time.Time
	Location              string
	// Version is an entity tag with its quotation marks, "" where the server gives none.
	Version string
}

// metaOf reads the attribute meta; nil when there is none.
func metaOf(r Resource) *Meta {
	m := r.Object("meta")
	if m == nil {
		return nil
	}
	return &Meta{
		ResourceType: m.Text("resourceType"), Location: m.Text("location"), Version: m.Text("version"),
		Created: timeOf(m.Text("created")), LastModified: timeOf(m.Text("lastModified")),
	}
}

// timeOf reads an xsd:dateTime; zero when it is none.
func timeOf(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// object gives meta as it is written.
func (m *Meta) object() map[string]any {
	o := map[string]any{}
	put(o, "resourceType", m.ResourceType)
	put(o, "location", m.Location)
	put(o, "version", m.Version)
	if !m.Created.IsZero() {
		o["created"] = m.Created.UTC().Format(time.RFC3339Nano)
	}
	if !m.LastModified.IsZero() {
		o["lastModified"] = m.LastModified.UTC().Format(time.RFC3339Nano)
	}
	return o
}

// put sets a text that is not empty.
func put(o map[string]any, name, text string) {
	if text != "" {
		o[name] = text
	}
}
