package authn

import (
	"slices"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// claimReader reads mapped claims and keeps the first fault, so that reading a subject needs only one check at the end.
type claimReader struct {
	claims map[string]any
	fault  *Error
}

func (r *claimReader) one(name string, path claimPath) string {
	value, err := path.one(r.claims)
	if err != nil {
		r.refuse(ReasonClaim, name)
	}
	return value
}

func (r *claimReader) all(name string, path claimPath) []string {
	values, err := path.all(r.claims)
	if err != nil {
		r.refuse(ReasonClaim, name)
	}
	return values
}

func (r *claimReader) prefixed(name string, p prefixedPath) string {
	if value := r.one(name, p.path); value != "" {
		return p.prefix + value
	}
	return ""
}

// identifiers reads values of one configured system, or objects that name their system.
func (r *claimReader) identifiers(name string, p identifierPath) []fhir.Identifier {
	var found []fhir.Identifier
	if p.system != "" {
		for _, value := range r.all(name, p.path) {
			found = append(found, fhir.Identifier{System: p.system, Value: value})
		}
		return found
	}
	nodes, err := p.path.nodes(r.claims)
	if err != nil {
		r.refuse(ReasonClaim, name)
	}
	for _, node := range nodes {
		object, _ := node.(map[string]any)
		system, hasSystem := claimText(object["system"])
		value, hasValue := claimText(object["value"])
		if !hasSystem || !hasValue {
			r.refuse(ReasonClaim, name)
		}
		found = append(found, fhir.Identifier{System: system, Value: value})
	}
	return found
}

func (r *claimReader) refuse(reason policy.Reason, element string) {
	if r.fault == nil {
		r.fault = badToken(reason, element)
	}
}

// subject makes the subject of a verified token: from its mapped claims, its client's registration and the configuration.
func (a *Authenticator) subject(i *issuer, claims map[string]any, validity times) (policy.Subject, *Error) {
	r := &claimReader{claims: claims}
	p := &i.paths
	id, client := a.client(i, r)
	s := policy.Subject{
		Issuer:          i.URL,
		ClientID:        id,
		Name:            r.one("name", p.name),
		Kind:            i.kind(r),
		Assurance:       a.level(i, r.one("assurance", p.assurance)),
		Organization:    r.prefixed("organization", p.organization),
		Practitioner:    r.prefixed("practitioner", p.practitioner),
		Roles:           r.all("roles", p.roles),
		Relationship:    policy.Relationship(r.one("relationship", p.relationship)),
		Channel:         i.Channel,
		Authority:       r.one("authority", p.authority),
		Responsible:     r.prefixed("responsible", p.responsible),
		AuthenticatedAt: validity.signedIn,
		Expires:         validity.expires,
	}
	s.ID, _ = claims["sub"].(string)
	s.TokenID, _ = claims["jti"].(string)
	s.Relationship, s.Evidence = relation(s.Relationship, client)
	if client.Channel != "" {
		s.Channel = client.Channel
	}
	r.persons(i, &s)
	r.mandate(i, &s)
	for _, purpose := range r.all("purpose", p.purpose) {
		s.Purposes = append(s.Purposes, policy.PurposeOfUse(purpose))
	}
	if len(s.Purposes) == 0 {
		s.Purposes = defaultPurposes(s.Kind, client)
	}
	signals := policy.Signals{
		OrganizationType: r.one("organization_type", p.organizationType),
		AGB:              r.one("agb", p.agb),
		UZIRoles:         s.Roles,
		Organization:     s.Organization,
		Purposes:         s.Purposes,
	}
	for _, identifier := range p.identifiers {
		signals.Identifiers = append(signals.Identifiers, r.identifiers("identifiers", identifier)...)
	}
	if e := checkScope(claims, i.RequiredScope, s.Kind); e != nil && r.fault == nil {
		r.fault = e
	}
	if r.fault != nil {
		return policy.Subject{}, r.fault
	}
	s.Categories = a.tables.Resolve(signals)
	if s.Kind == policy.KindProvider {
		if s.Relationship == "" {
			s.Registry = i.Registry
		}
		s.Secrecy = a.tables.Secrecy(s, client.Secrecy)
	}
	return s, nil
}

// relation is the relationship with the patient, and what shows it: a claim, or the client, which is trusted for it if so registered.
func relation(claimed policy.Relationship, client Client) (relationship policy.Relationship, evidence string) {
	switch {
	case claimed != "":
		return claimed, policy.EvidenceToken
	case client.Relationship != "":
		return client.Relationship, policy.EvidenceClient
	}
	return "", ""
}

// client finds the registration of the client that the token was issued to (leaks.md TK-5). azp, if also present, must name the same
// client.
func (a *Authenticator) client(i *issuer, r *claimReader) (string, Client) {
	id := r.one("client", i.paths.client)
	azp, given := r.claims["azp"]
	if id == "" || given && azp != id {
		r.refuse(ReasonClient, "client")
	}
	registered, known := a.clients[id]
	if !known || registered.Issuer != "" && registered.Issuer != i.URL {
		r.refuse(ReasonClient, "client")
	}
	return id, registered
}

// level is none for a token without a level, whatever the table says of the empty text.
func (a *Authenticator) level(i *issuer, value string) policy.AssuranceLevel {
	switch {
	case value == "":
		return policy.AssuranceNone
	case i.Assurance != nil:
		return i.Assurance.Level(value)
	}
	return a.assurance.Level(value)
}

// kind reads in which capacity the caller asks. A claim may have several values, such as roles, of which only those in the map count. None:
// a caller without a care role; two capacities at once are refused.
func (i *issuer) kind(r *claimReader) policy.SubjectKind {
	if i.Kind.Claim == "" {
		return i.Kind.Fixed
	}
	kind, found := policy.KindOther, false
	for _, value := range r.all("kind", i.paths.kind) {
		named, known := i.Kind.Values[value]
		if known && found && named != kind {
			r.refuse(ReasonClaim, "kind")
		}
		if known {
			kind, found = named, true
		}
	}
	return kind
}

// defaultPurposes are the purposes of a token that claims none: for a patient, a request about the own record; else what the client is
// registered for.
func defaultPurposes(kind policy.SubjectKind, client Client) []policy.PurposeOfUse {
	switch {
	case kind == policy.KindPatient || kind == policy.KindRepresentative:
		return []policy.PurposeOfUse{policy.PurposePatientRequest}
	case client.Purpose != "":
		return []policy.PurposeOfUse{client.Purpose}
	default:
		return nil
	}
}

// cloneSubject gives every use of a cached token slices of its own, so that exchanges cannot affect each other.
func cloneSubject(s policy.Subject) policy.Subject {
	s.Categories = slices.Clone(s.Categories)
	s.Roles = slices.Clone(s.Roles)
	s.Purposes = slices.Clone(s.Purposes)
	return s
}
