package audit

import (
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// The interactions with a Consent, in addition to those of package fhir.
const (
	CodeCreate fhir.Code = "create"
	CodeUpdate fhir.Code = "update"
)

// NewActor is the subject as events keep it. For a patient or representative the id, name and person are left out: the event's person key
// stands for them. The caller sets the purpose, which is the one decided on.
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
		a.Authority = s.Authority // any other value in a token could contain anything
	}
	return a
}

// RoleOperator is the role of whoever runs the gateway's commands; all other roles are UZI role codes.
const RoleOperator = "operator"

// The kinds of actors in events.
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
