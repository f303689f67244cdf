// Package fhir is the FHIR wire as the gateway understands it: what a request asks (Interaction), what a response
// discloses (Contents), and the error body (OperationOutcome). It is pure: no I/O, no clock, no logging, no context. It
// decides nothing; it says what is there, and renders what was decided.
//
// Ids in comments, such as HT-1 or SE-19, are rows of docs/leaks.md: the ways in which data could leave that a line is there to stop.
package fhir

// Version is a FHIR release with tables of its own. The zero value is no version and is refused everywhere.
type Version int

// The versions that are served: FHIR 4.0.1 and FHIR 3.0.2.
const (
	R4   Version = 4
	STU3 Version = 3
)

// DataCategory is one category of health data (Dutch generic functions, code system "datacategories"), or one of the
// gateway's own: Unclassified, Restricted.
type DataCategory string

// The data categories that the gateway itself gives a meaning to. All others come from configs/data-categories.yaml.
const (
	// Unclassified is what no rule classifies; it belongs to group GGC002.
	Unclassified DataCategory = "Unclassified"
	// Restricted holds sensitive codes and the labels R, V and unknown ones; it is in no group.
	Restricted DataCategory = "Restricted"
	// NeverDisclosed is what no decision is about: a resource that holds such a code leaves for nobody, the patient included. Only a
	// SensitiveCode gives it, no consent can name it, and no released resource falls in it.
	NeverDisclosed DataCategory = "NeverDisclosed"
	// CategoryConsent holds Consent resources; no consent opens it.
	CategoryConsent DataCategory = "Consent"
	// CategoryLogging holds AuditEvent resources; no consent opens it.
	CategoryLogging DataCategory = "Logging"
	// CategoryPatient is what a Patient resource itself needs.
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

// Allow says which interactions a source offers besides the rest. The zero value is none of them.
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

// Param is one search parameter other than those that name the patient: the full name with its modifier as in the closed
// grammar, and its value, decoded once.
type Param struct {
	Name  string
	Value string
}

// Interaction is a request that was understood completely (R4 §3.1.0). It is what is decided on, and the only thing from
// which the outbound request is rendered.
type Interaction struct {
	Code    Code
	Type    string
	ID      ID          // read, vread and history
	Version string      // vread only: the version's id
	Patient PatientName // whom it names: searches, $everything, $lastn
	Params  []Param     // sorted by name, repeats in the order given; none of reads and attachments
	Cursor  string      // searches, $everything: a sealed page link instead of Patient and Params; attachment: the sealed link
}

// Request is the part of an HTTP request that says what is asked. Path is the escaped path below the FHIR base of the source,
// without a leading slash; RawQuery is as received; Body is set for POST only. HEAD is understood as GET: leaving out the body is
// for the gate.
type Request struct {
	Method      string
	Path        string
	RawQuery    string
	ContentType string
	Body        []byte
	Allow       Allow // what the source offers besides the rest
}

// Kind says in what way a request could not be understood. Only proxy maps it to an HTTP status.
type Kind int

// The kinds of refused requests. The zero value is Malformed: 400.
const (
	Malformed     Kind = iota // 400 invalid: the grammar is broken, or a value has a wrong form
	NotSupported              // 400 not-supported: a parameter, modifier or value form that is not in the grammar
	NotFound                  // 404 not-found: the path is no FHIR path of ours
	NoMethod                  // 405 not-supported: method not allowed on this path
	MediaType                 // 415: content type of the request body
	NoOperation               // 501 not-supported: an interaction, operation or type that the gateway does not serve
	TooLong                   // 414: query or body over the limit
	NotAcceptable             // 406 not-supported: _format asks for something else than JSON
)

// RequestError is why a request was not understood. Element names the parameter or path element as the grammar knows it, never
// a value; it is empty where the name itself is not of the grammar's alphabet.
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
