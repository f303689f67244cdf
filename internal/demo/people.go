//go:build !release

package demo

import "zorgsluis/fhir"

// SystemBSN is the identifier system of the citizen service number.
const SystemBSN = "http://fhir.nl/fhir/NamingSystem/bsn"

// The levels of assurance in the demo's tokens (NL GOV OpenID Connect profile).
const (
	acrSubstantial = "http://eidas.europa.eu/LoA/substantial"
	acrHigh        = "http://eidas.europa.eu/LoA/high"
)

// Person is a patient of the demo: synthetic, or a published example; the BSNs are test numbers that pass the eleven-test.
type Person struct {
	Name      string
	BSN       string
	PatientID fhir.ID // the source's id of the Patient
	Story     string  // one line for whoever tries the demo
}

// Identifier returns the person as consents name it.
func (p Person) Identifier() fhir.Identifier { return fhir.Identifier{System: SystemBSN, Value: p.BSN} }

// The patients by their part in the tour.
var (
	karena = Person{"Karena Pfeffer", "999991346", "58f620b1-910c-41b8-81cf-f8c7afd828b6",
		"gave her GP everything and pharmacies her medication; hospitals were not asked about"}
	milan = Person{"Milan Beatty", "999993008", "8adf7251-257f-4b45-8ef5-0a6b3b9fe0ef",
		"gave his GP everything and refused hospitals, without an exception"}
	johanna = Person{"Johanna van Putten-van der Giessen", "111222333", "nl-core-Patient-01",
		"was never asked; her record is the Dutch nl-core example"}
	gerardo = Person{"Gerardo Botello", "999990019", "8de3051f-6298-43e6-9b7f-2aa6443ee760",
		"sixteen years old, nothing on file"}
	denis = Person{"Denis Schmitt", "999996538", "63ee2253-bdd5-da55-2ad2-b4984d0ad700",
		"fifteen years old, nothing on file"}
	gilberto = Person{"Gilberto Orosco", "900029365", "d92a3a52-50c3-446f-a3f9-7d34f7680bcb",
		"deceased, nothing on file"}
)

// People returns all patients of the source, those of the tour first. The caller may change the slice.
func People() []Person { return []Person{karena, milan, johanna, gerardo, denis, gilberto} }

// PeopleSTU3 returns the patients of the STU3 source: an older system with three of the same people.
func PeopleSTU3() []Person { return []Person{karena, milan, johanna} }

// Karena is the main patient of the tour: GPs may see everything, pharmacies medication; nothing is on file about hospitals.
func Karena() Person { return karena }

// Milan refused hospitals.
func Milan() Person { return milan }

// Johanna has nothing on file.
func Johanna() Person { return johanna }

// Caller is somebody who makes requests. ClientID is also the client id at the issuer's token endpoint, with [Secret].
type Caller struct {
	ClientID string
	Title    string
	Claims   Claims
}

// Secret is the client secret of every caller at the demo issuer. It protects nothing.
const Secret = "demo"

// The organizations of the callers, as consents name them.
const (
	OrganizationGP            = "ura:90000001"
	OrganizationPharmacy      = "ura:90000002"
	OrganizationOccupational  = "ura:90000003"
	OrganizationInsurer       = "ura:90000004"
	OrganizationHospital      = "ura:90000005"
	OrganizationSourceHolder  = "ura:90000009" // the holder of the source
	CategoryOfTheSourceHolder = "hospital"
)
