package audit

import (
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// The interactions that events have beside those of package fhir: what was done with a Consent.
const (
	CodeCreate fhir.Code = "create"
	CodeUpdate fhir.Code = "update"
)

// NewActor is the subject as it is kept in events. Of a patient or a representative the id, the name and the person are left out:
// the person key of the event stands for them. The purpose is the one that was decided on, which the caller sets.
func NewActor(s policy.Subject) Actor {
	a := Actor{
		Issuer:       s.Issuer,
		Client:       s.ClientID,
		Token:        s.TokenID,
		Kind:         kindName(s.Kind),
		Organization: s.Organization,
		Practitioner: s.Practitioner,
		Roles:        s.Roles,
		Categories:   s.Categories,
		Assurance:    s.Assurance.String(),
		Secrecy:      s.Secrecy,
		Relationship: s.Relationship,
		Evidence:     s.Evidence,
		Channel:      s.Channel,
	}
	if s.Kind != policy.KindPatient && s.Kind != policy.KindRepresentative {
		a.Subject, a.Name, a.Responsible = s.ID, s.Name, s.Responsible
	}
	if s.Kind == policy.KindRepresentative && policy.IsAuthority(s.Authority) {
		a.Authority = s.Authority // any other word of a token could hold anything
	}
	return a
}

// RoleOperator is the role of who works with the commands of the gateway; all others are UZI role codes.
const RoleOperator = "operator"

// The kinds of actors as they stand in events.
const (
	actorPatient        = "patient"
	actorRepresentative = "representative"
	actorProvider       = "provider"
	actorOther          = "other"
)

func kindName(k policy.SubjectKind) string {
	switch k {
	case policy.KindPatient:
		return actorPatient
	case policy.KindRepresentative:
		return actorRepresentative
	case policy.KindProvider:
		return actorProvider
	}
	return actorOther
}
