package audit

import (
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Code systems of the FHIR form.
const (
	systemDCM          = "http://dicom.nema.org/resources/ontology/DCM"
	systemEventType    = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	systemInteraction  = "http://hl7.org/fhir/restful-interaction"
	systemEntityType   = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemObjectRole   = "http://terminology.hl7.org/CodeSystem/object-role"
	systemResourceType = "http://hl7.org/fhir/resource-types"
	systemSourceType   = "http://terminology.hl7.org/CodeSystem/security-source-type"
	systemParticipant  = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	systemRoleClass    = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
	systemActReason    = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemSecurityRole = "http://terminology.hl7.org/CodeSystem/extra-security-role-type"
	systemBALPEntity   = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
	systemBALPAuthZ    = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"
	systemBALPAgent    = "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes"
	systemLifecycle    = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
	systemSNOMED       = "http://snomed.info/sct"
	systemUZIRole      = "http://fhir.nl/fhir/NamingSystem/uzi-rolcode"

	// Ours, documented in docs/events.md.
	systemPersonKey   = "urn:zorgsluis:person-key"
	systemDeclaration = "urn:zorgsluis:declaration"
	systemEventKind   = "urn:zorgsluis:event-kind"
	systemEntity      = "urn:zorgsluis:audit-entity"
	systemActorKind   = "urn:zorgsluis:actor-kind"
	systemCategory    = "urn:zorgsluis:provider-category"

	policyPrefix = "urn:zorgsluis:policy:"
	tokenPrefix  = "urn:ietf:params:oauth:jti:" // RFC 3553; IHE BALP OAUTHaccessTokenUse
)

// The IHE BALP profiles that an event may claim.
const (
	profileBase          = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
	profilePatientRead   = profileBase + "PatientRead"
	profilePatientQuery  = profileBase + "PatientQuery"
	profilePatientCreate = profileBase + "PatientCreate"
	profilePatientUpdate = profileBase + "PatientUpdate"
	profileOAuth         = profileBase + "OAUTHaccessTokenUse.Comprehensive"
	profileAuthZ         = profileBase + "AuthZconsent"
	profileDisclosure    = profileBase + "PrivacyDisclosure.Source"
)

// identifier renders "ura:00000001" with its naming system; an unknown prefix stays part of the value.
func identifier(s string) *r4.Identifier {
	colon := strings.Index(s, ":") + 1
	if system := consent.NamingSystem(s[:colon]); system != "" {
		return &r4.Identifier{System: &system, Value: text(s[colon:])}
	}
	return &r4.Identifier{Value: text(s)}
}

// pattern is how one kind of event looks in FHIR: what happened, and the roles of caller and gateway.
type pattern struct {
	kind     r4.Coding
	subtypes []r4.Coding
	action   *r4.AuditEventAction
	client   r4.Coding // role of the caller's system; 110150 Application is always added
	server   r4.Coding // role of the gateway
	user     string    // v3-ParticipationType of the person
	source   r4.Coding // role in which the gateway recorded it
}

// restful is IHE BALP's pattern for an interaction. In a search the query flows from client to server, so the roles are swapped compared
// with a read (BALP, PatientQuery).
func restful(code string, action r4.AuditEventAction, client, server r4.Coding, user string) pattern {
	return pattern{
		kind: coding(systemEventType, "rest", "Restful Operation"), subtypes: []r4.Coding{coding(systemInteraction, code, code)}, action: &action,
		client: client, server: server, user: user,
	}
}

// The roles of systems.
var (
	application = coding(systemDCM, "110150", "Application")
	source      = coding(systemDCM, "110153", "Source Role ID")
	destination = coding(systemDCM, "110152", "Destination Role ID")
	gate        = coding(systemSecurityRole, "authserver", "authorization server")
)

// eventPattern chooses the pattern of FormEvent.
func (e Event) eventPattern() pattern {
	execute, update := r4.AuditEventActionE, r4.AuditEventActionU

	switch e.Kind {
	case KindLog:
		return restful("search-type", r4.AuditEventActionE, source, destination, "IRCP")
	case KindConsent:
		if e.Interaction == CodeCreate {
			return restful("create", r4.AuditEventActionC, source, destination, "AUT")
		}
		return restful("update", r4.AuditEventActionU, source, destination, "AUT")
	case KindPerson:
		return pattern{
			kind:     coding(systemDCM, "110110", "Patient Record"),
			subtypes: []r4.Coding{coding(systemEventKind, string(KindPerson), "Flag set")},
			action:   &update, client: application, server: destination, user: "AUT",
		}
	case KindBreakGlass:
		subtype := coding(systemDCM, "110127", "Emergency Override Started")
		if e.Reason == ReasonDeclarationEnded {
			subtype = coding(systemDCM, "110138", "Emergency Override Stopped")
		}
		return pattern{
			kind: coding(systemDCM, "110113", "Security Alert"), subtypes: []r4.Coding{subtype},
			action: &execute, client: application, server: gate, user: "IRCP",
		}
	case KindReview:
		return pattern{
			kind:     coding(systemDCM, "110113", "Security Alert"),
			subtypes: []r4.Coding{coding(systemEventKind, string(KindReview), "Emergency access reviewed")},
			action:   &execute, client: application, server: gate, user: "AUT",
		}
	case KindUnauthenticated:
		return pattern{
			kind:     coding(systemDCM, "110114", "User Authentication"),
			subtypes: []r4.Coding{coding(systemDCM, "110122", "Login")},
			action:   &execute, client: application, server: gate, user: "IRCP",
		}
	}
	switch e.Interaction {
	case fhir.CodeRead, fhir.CodeAttachment:
		return restful("read", r4.AuditEventActionR, destination, source, "IRCP")
	case fhir.CodeVRead, fhir.CodeHistory:
		return restful(string(e.Interaction), r4.AuditEventActionR, destination, source, "IRCP")
	case fhir.CodeSearch:
		return restful("search-type", r4.AuditEventActionE, source, destination, "IRCP")
	case fhir.CodeEverything, fhir.CodeLastN:
		return restful("operation", r4.AuditEventActionE, source, destination, "IRCP")
	}
	return pattern{ // refused before it was understood
		kind:   coding(systemEventType, "rest", "Restful Operation"),
		client: application, server: gate, user: "IRCP",
	}
}

// outcome is AuditEvent.outcome and the result of NEN 7513 (1 success, 2 refused, 3 error).
func (e Event) outcome() (r4.AuditEventOutcome, string) {
	switch e.Outcome {
	case OutcomePermit:
		return r4.AuditEventOutcome0, "1"
	case OutcomeDeny:
		return r4.AuditEventOutcome4, "2"
	}
	return r4.AuditEventOutcome8, "3"
}

func coding(system, code, display string) r4.Coding {
	c := r4.Coding{System: &system, Code: &code}
	if display != "" {
		c.Display = &display
	}
	return c
}

func concept(codings ...r4.Coding) *r4.CodeableConcept {
	return &r4.CodeableConcept{Coding: codings}
}

// text is a FHIR string (R4 §2.24.0.1): never empty, without control characters or characters that change text direction.
func text[S ~string](s S) *string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || hidden(r):
			return '\uFFFD'
		}
		return r
	}, string(s))
	if clean = strings.TrimSpace(clean); clean == "" {
		return nil
	}
	return &clean
}
