package scim

// ServiceProviderConfig says what a server can do.
type ServiceProviderConfig struct {
	Schemas               []string     `json:"schemas"`
	DocumentationURI      string       `json:"documentationUri,omitempty"`
	Patch                 Supported    `json:"patch"`
	Bulk                  BulkConfig   `json:"bulk"`
	Filter                FilterConfig `json:"filter"`
	ChangePassword        Supported    `json:"changePassword"`
	Sort                  Supported    `json:"sort"`
	ETag                  Supported    `json:"etag"`
	AuthenticationSchemes []AuthScheme `json:"authenticationSchemes"`
	Meta                  *DocMeta     `json:"meta,omitempty"`
}

// Supported says whether a server can do something.
type Supported struct {
	Supported bool `json:"supported"`
}

// BulkConfig says what a server takes in one BulkRequest.
type BulkConfig struct {
	Supported     bool `json:"supported"`
	MaxOperations int  `json:"maxOperations"`
	// MaxPayloadSize is in bytes.
	MaxPayloadSize int `json:"maxPayloadSize"`
}

// FilterConfig says how many resources a server gives for a filter.
type FilterConfig struct {
	Supported  bool `json:"supported"`
	MaxResults int  `json:"maxResults"`
}

// AuthScheme is a way to log in.
type AuthScheme struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri,omitempty"`
	Primary     bool   `json:"primary,omitempty"`
}

// DocMeta is the meta of a document that tells what a server can do.
type DocMeta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// ResourceType is a kind of resource that a server has.
type ResourceType struct {
	Schemas     []string `json:"schemas"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	// Endpoint is relative to the base address: /Users.
	Endpoint string `json:"endpoint"`
	// Schema is the URN of the core schema.
	Schema           string            `json:"schema"`
	SchemaExtensions []SchemaExtension `json:"schemaExtensions,omitempty"`
	Meta             *DocMeta          `json:"meta,omitempty"`
}

// SchemaExtension is a schema that a kind of resource may have beside its own.
type SchemaExtension struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

// Schema is what a resource may and must hold.
type Schema struct {
	Schemas []string `json:"schemas,omitempty"`
	// ID is the schema's URN.
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	Attributes  []Attribute `json:"attributes"`
	Meta        *DocMeta    `json:"meta,omitempty"`
}

// Attribute is one attribute of a Schema. The words are those of RFC 7643, section 7.
type Attribute struct {
	Name string `json:"name"`
	// Type is string, boolean, decimal, integer, dateTime, binary, reference or complex.
	Type            string      `json:"type"`
	SubAttributes   []Attribute `json:"subAttributes,omitempty"`
	MultiValued     bool        `json:"multiValued"`
	Description     string      `json:"description,omitempty"`
	Required        bool        `json:"required"`
	CanonicalValues []string    `json:"canonicalValues,omitempty"`
	CaseExact       bool        `json:"caseExact"`
	// Mutability is readOnly, readWrite, immutable or writeOnly; "" reads as readWrite.
	Mutability string `json:"mutability,omitempty"`
	// Returned is always, never, default or request; "" reads as default.
	Returned string `json:"returned,omitempty"`
	// Uniqueness is none, server or global; "" reads as none.
	Uniqueness     string   `json:"uniqueness,omitempty"`
	ReferenceTypes []string `json:"referenceTypes,omitempty"`
}
