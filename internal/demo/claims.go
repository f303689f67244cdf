//go:build !release

package demo

import (
	"encoding/json"
	"maps"
	"time"
)

// The values of the claim "kind".
const (
	KindProvider = "provider"
	KindPatient  = "patient"
)

// Claims are the claims of an access token of the demo issuer (those of RFC 9068 and the gateway's own). Empty ones are left out, except those
// with a default.
type Claims struct {
	Issuer          string    // iss; default: the issuer's URL
	Subject         string    // sub
	Audience        []string  // aud; default: the issuer's audience
	ClientID        string    // client_id
	ID              string    // jti; default: random
	IssuedAt        time.Time // iat; default: now
	NotBefore       time.Time // nbf
	Expires         time.Time // exp; default: iat and the issuer's lifetime
	AuthenticatedAt time.Time // auth_time; default: iat
	ACR             string    // acr, as in assurance.yaml

	Kind string // kind: KindProvider or KindPatient
	Name string // name

	OrganizationURA   string   // organization_ura: the number only, eight digits
	OrganizationType  string   // organization_type: code of http://nictiz.nl/fhir/NamingSystem/organization-type
	OrganizationUZOVI string   // organization_uzovi: number of a health insurer
	AGB               string   // agb: speciality, four digits (COD016-VEKT)
	UZI               string   // uzi: number of the natural person
	UZIRoles          []string // uzi_roles: codes of http://fhir.nl/fhir/NamingSystem/uzi-rolcode
	Relationship      string   // relationship: treating, directly-involved, substitute
	PurposeOfUse      []string // purpose_of_use: codes of v3-ActReason
	BSN               string   // bsn: of the patient whose own token this is

	// Extra has other claims, also nested. They replace those above; a nil value removes the claim.
	Extra map[string]any
	// Type is the header "typ"; default "at+jwt" (RFC 9068 §2.1); "-" omits it.
	Type string
}

// payload renders the claims that are set.
func (c Claims) payload() ([]byte, error) {
	members := map[string]any{}
	set := func(name, value string) {
		if value != "" {
			members[name] = value
		}
	}
	list := func(name string, values []string) {
		if len(values) > 0 {
			members[name] = values
		}
	}
	instant := func(name string, t time.Time) {
		if !t.IsZero() {
			members[name] = t.Unix()
		}
	}
	set("iss", c.Issuer)
	set("sub", c.Subject)
	list("aud", c.Audience)
	set("client_id", c.ClientID)
	set("jti", c.ID)
	instant("iat", c.IssuedAt)
	instant("nbf", c.NotBefore)
	instant("exp", c.Expires)
	instant("auth_time", c.AuthenticatedAt)
	set("acr", c.ACR)
	set("kind", c.Kind)
	set("name", c.Name)
	set("organization_ura", c.OrganizationURA)
	set("organization_type", c.OrganizationType)
	set("organization_uzovi", c.OrganizationUZOVI)
	set("agb", c.AGB)
	set("uzi", c.UZI)
	list("uzi_roles", c.UZIRoles)
	set("relationship", c.Relationship)
	list("purpose_of_use", c.PurposeOfUse)
	set("bsn", c.BSN)
	maps.Copy(members, c.Extra)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	return json.Marshal(members)
}
