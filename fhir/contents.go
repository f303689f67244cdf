package fhir

// Mode is Bundle.entry.search.mode (R4 §3.1.1.4).
type Mode string

// The search modes that the gateway knows; anything else drops the entry.
const (
	ModeMatch   Mode = "match"
	ModeInclude Mode = "include"
)

// Resource is what one resource of a response discloses, found in one strict pass over its bytes. Its zero value is
// unattributed and is never released.
type Resource struct {
	Type string
	ID   ID
	Mode Mode // of a search entry; ModeMatch for a read

	// Shared says that the type belongs to nobody (Practitioner, Organization, …): released only when a kept entry refers to it.
	Shared bool
	// Attributed says that exactly one local patient is named, and by the reference that decides membership. Patient is that
	// patient's id. A shared resource is never attributed.
	Attributed bool
	Patient    ID
	// Identifiers are the person identifiers (of the configured systems) found anywhere in the resource.
	Identifiers []Identifier
	// Categories are all data categories it falls in, contained resources included; each must be permitted. Never empty for an
	// attributed resource; empty for a shared one unless a sensitive code or label adds one.
	Categories []DataCategory
	// References are the local resources that it refers to, patients excepted.
	References []LocalReference
}

// PatientRecord is what the gateway learns of a patient from the source's own Patient resource. Dates are inclusive civil dates
// "YYYY-MM-DD"; a partial birth date gives the first and the last day that it may mean.
type PatientRecord struct {
	ID            ID
	Identifiers   []Identifier // current ones of the configured person systems
	BirthEarliest string
	BirthLatest   string
	Deceased      bool
	Replaced      bool // has a link of type replaced-by, or is not active
}
