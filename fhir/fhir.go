// Package fhir is the FHIR wire format as the gateway understands it: what a request asks for (Interaction), what a response
// discloses (Contents), and the error body (OperationOutcome). It is pure: no I/O, no clock, no logging, no context. It decides
// nothing; it reports what is there and renders what was decided.
//
// Ids in comments, such as HT-1 or SE-19, are rows of docs/leaks.md: the leak that the line prevents.
package fhir

// Version is a FHIR release that the gateway supports. The zero value is refused everywhere.
type Version int

// The versions that are served: FHIR 4.0.1 and FHIR 3.0.2.
const (
	R4   Version = 4
	STU3 Version = 3
)

// DataCategory is one category of health data (Dutch generic functions, code system "datacategories"), or one of the
// gateway's own: Unclassified, Restricted.
type DataCategory string

// The data categories with a meaning built into the gateway. All others come from configs/data-categories.yaml.
const (
	// Unclassified is for data that no rule classifies; it belongs to group GGC002.
	Unclassified DataCategory = "Unclassified"
	// Restricted is for sensitive codes and for labels R, V and unknown ones; it is in no group.
	Restricted DataCategory = "Restricted"
	// NeverDisclosed is outside every decision: a resource that holds such a code is released to nobody, not even the patient. Only
	// a SensitiveCode assigns it, no consent can name it, and no released resource has it.
	NeverDisclosed DataCategory = "NeverDisclosed"
	// CategoryConsent holds Consent resources; no consent opens it.
	CategoryConsent DataCategory = "Consent"
	// CategoryLogging holds AuditEvent resources; no consent opens it.
	CategoryLogging DataCategory = "Logging"
	// CategoryPatient holds Patient resources.
	CategoryPatient DataCategory = "Patient"
)

// ID is the logical id of a resource at one source (R4 §2.24.0.1 "id").
type ID string

// Identifier is a business identifier: of a person (BSN), an organization (URA), a practitioner (UZI).
type Identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// Coding is a code in a code system (R4 §2.24.0.4).
type Coding struct {
	System string
	Code   string
}

// LocalReference names a resource at the same source: "Type/ID".
type LocalReference struct {
	Type string
	ID   ID
}

// String renders the reference in its relative form.
func (r LocalReference) String() string { return r.Type + "/" + string(r.ID) }

// Code is the kind of an interaction, in the words of http://hl7.org/fhir/restful-interaction.
type Code string

// The interactions that the gateway handles. Everything else is refused before the source is asked.
const (
	CodeRead       Code = "read"
	CodeSearch     Code = "search-type"
	CodeVRead      Code = "vread"
	CodeHistory    Code = "history-instance"
	CodeEverything Code = "everything" // Patient/[id]/$everything, put together from searches
	CodeLastN      Code = "lastn"      // Observation/$lastn, put together from a search
	CodeAttachment Code = "attachment" // Binary/[sealed link]
)

// Allow says which optional interactions a source offers. The zero value is none of them.
type Allow uint8

// The interactions that are off unless they are allowed (RD-8, RD-9).
const (
	AllowVRead Allow = 1 << iota
	AllowHistory
)

// PatientName is the patient that an interaction names: by the source's id or by an identifier, never both. The zero value
// names nobody.
type PatientName struct {
	ID         ID
	Identifier Identifier
}

// Named reports whether a patient is named at all.
func (p PatientName) Named() bool { return p != PatientName{} }

// Param is a search parameter other than those that name the patient: its full name with the modifier, and its value, decoded once.
type Param struct {
	Name  string
	Value string
}

// Interaction is a request that was parsed completely (R4 §3.1.0). Decisions are made on it, and the outbound request is rendered
// from nothing else.
type Interaction struct {
	Code    Code
	Type    string
	ID      ID          // read, vread and history
	Version string      // vread only: the version's id
	Patient PatientName // whom it names: searches, $everything, $lastn
	Params  []Param     // sorted by name, repeats in the order given; none for reads and attachments
	Cursor  string      // searches, $everything: a sealed page link instead of Patient and Params; attachment: the sealed link
}

// Request is the part of an HTTP request that says what is asked for. Path is the escaped path below the FHIR base of the source,
// without a leading slash; RawQuery is as received; Body is set for POST only. HEAD is parsed as GET; the proxy omits the body.
type Request struct {
	Method      string
	Path        string
	RawQuery    string
	ContentType string
	Body        []byte
	Allow       Allow // the optional interactions that the source offers
}

// Kind says why a request was refused. Only package proxy maps it to an HTTP status.
type Kind int

// The kinds of refused requests. The zero value is Malformed: 400.
const (
	Malformed     Kind = iota // 400 invalid: the grammar is broken, or a value has a wrong form
	NotSupported              // 400 not-supported: a parameter, modifier or value form that is not in the grammar
	NotFound                  // 404 not-found: not a FHIR path that is served
	NoMethod                  // 405 not-supported: method not allowed on this path
	MediaType                 // 415: content type of the request body
	NoOperation               // 501 not-supported: an interaction, operation or type that the gateway does not serve
	TooLong                   // 414: query or body over the limit
	NotAcceptable             // 406 not-supported: _format asks for something other than JSON
)

// RequestError says why a request was refused. Element is the parameter or path element, never a value; it is empty where even the
// name could carry one.
type RequestError struct {
	Kind    Kind
	Element string
	Reason  string // fixed text, safe for the caller
}

// Error implements error.
func (e *RequestError) Error() string {
	if e.Element == "" {
		return e.Reason
	}
	return e.Reason + ": " + e.Element
}
