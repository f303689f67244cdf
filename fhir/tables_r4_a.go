package fhir

// The names, kinds and reference targets of the R4 tables come from the HL7 package hl7.fhir.r4.core 4.0.1 (search-parameters
// bundle, CompartmentDefinition/patient, OperationDefinitions), published under CC0-1.0. FHIR is a registered trademark of HL7.
// The classification is our own. A test walks the standard lists and fails on what has no class.

// r4BoundAToE are the served types of R4, Account to EpisodeOfCare.
var r4BoundAToE = map[string]boundType{
	"Account": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier status type", dates: "period", strings: "name",
		refs: refs{
			"owner": "Organization",
		},
	},
	"AdverseEvent": {
		member: "subject", bind: "subject", names: "subject",
		tokens: "actuality category event seriousness severity", dates: "date",
		refs: refs{
			"location": "Location", "recorder": "Patient Practitioner PractitionerRole RelatedPerson",
			"resultingcondition": "Condition", "study": "ResearchStudy",
			"substance": "Device Immunization Medication MedicationAdministration MedicationStatement Procedure Substance",
		},
	},
	"AllergyIntolerance": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "category clinical-status code criticality identifier manifestation route severity type verification-status",
		dates:  "date last-date onset",
		refs: refs{
			"asserter": "Patient Practitioner PractitionerRole RelatedPerson",
			"recorder": "Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"Appointment": {
		member: "participant.actor", bind: "patient", names: "patient",
		tokens: "appointment-type identifier part-status reason-code service-category service-type specialty status",
		dates:  "date",
		refs: refs{
			"actor":    "Device HealthcareService Location Patient Practitioner PractitionerRole RelatedPerson",
			"based-on": "ServiceRequest", "location": "Location", "practitioner": "Practitioner",
			"reason-reference": "Condition ImmunizationRecommendation Observation Procedure", "slot": "Slot",
			"supporting-info": "*",
		},
	},
	"AppointmentResponse": {
		member: "actor", bind: "patient", names: "patient",
		tokens: "identifier part-status",
		refs: refs{
			"actor":       "Device HealthcareService Location Patient Practitioner PractitionerRole RelatedPerson",
			"appointment": "Appointment", "location": "Location", "practitioner": "Practitioner",
		},
	},
	"BodyStructure": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier location morphology",
	},
	"CarePlan": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "activity-code category identifier intent status", dates: "activity-date date",
		uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"activity-reference": "Appointment CommunicationRequest DeviceRequest MedicationRequest NutritionOrder RequestGroup ServiceRequest Task VisionPrescription",
			"based-on":           "CarePlan", "care-team": "CareTeam", "condition": "Condition", "encounter": "Encounter",
			"goal": "Goal", "part-of": "CarePlan",
			"performer": "CareTeam Device HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
			"replaces":  "CarePlan",
		},
	},
	"CareTeam": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category identifier status", dates: "date",
		refs: refs{
			"encounter":   "Encounter",
			"participant": "CareTeam Organization Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"ChargeItem": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code identifier performer-function", dates: "entered-date occurrence", quantities: "price-override quantity",
		numbers: "factor-override",
		refs: refs{
			"account": "Account", "context": "Encounter EpisodeOfCare",
			"enterer":                 "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"performer-actor":         "CareTeam Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"performing-organization": "Organization", "requesting-organization": "Organization",
			"service": "DiagnosticReport ImagingStudy Immunization MedicationAdministration MedicationDispense Observation Procedure SupplyDelivery",
		},
	},
	"Claim": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier priority status use", dates: "created",
		refs: refs{
			"care-team": "Organization Practitioner PractitionerRole", "detail-udi": "Device", "encounter": "Encounter",
			"enterer": "Practitioner PractitionerRole", "facility": "Location", "insurer": "Organization",
			"item-udi": "Device", "payee": "Organization Patient Practitioner PractitionerRole RelatedPerson",
			"procedure-udi": "Device", "provider": "Organization Practitioner PractitionerRole", "subdetail-udi": "Device",
		},
	},
	"ClaimResponse": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier outcome status use", dates: "created payment-date", strings: "disposition",
		refs: refs{
			"insurer": "Organization", "request": "Claim", "requestor": "Organization Practitioner PractitionerRole",
		},
	},
	"ClinicalImpression": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "finding-code identifier status", dates: "date",
		refs: refs{
			"assessor": "Practitioner PractitionerRole", "encounter": "Encounter",
			"finding-ref":   "Condition Media Observation",
			"investigation": "DiagnosticReport FamilyMemberHistory ImagingStudy Media Observation QuestionnaireResponse RiskAssessment",
			"previous":      "ClinicalImpression", "problem": "AllergyIntolerance Condition", "supporting-info": "*",
		},
	},
	"Communication": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category identifier medium status", dates: "received sent", uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"based-on": "*", "encounter": "Encounter", "part-of": "*",
			"recipient": "CareTeam Device Group HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
			"sender":    "Device HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"CommunicationRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category group-identifier identifier medium priority status", dates: "authored occurrence",
		refs: refs{
			"based-on": "*", "encounter": "Encounter",
			"recipient": "CareTeam Device Group HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
			"replaces":  "CommunicationRequest",
			"requester": "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"sender":    "Device HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"Composition": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category confidentiality context identifier related-id section status type", dates: "date period",
		strings: "title",
		refs: refs{
			"attester":  "Organization Patient Practitioner PractitionerRole RelatedPerson",
			"author":    "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"encounter": "Encounter EpisodeOfCare", "entry": "*", "related-ref": "Composition",
		},
	},
	"Condition": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "body-site category clinical-status code evidence identifier severity stage verification-status",
		dates:  "abatement-date onset-date recorded-date", strings: "abatement-string onset-info",
		quantities: "abatement-age onset-age",
		refs: refs{
			"asserter": "Patient Practitioner PractitionerRole RelatedPerson", "encounter": "Encounter",
			"evidence-detail": "*",
		},
	},
	"Consent": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "action category identifier purpose scope security-label status", dates: "date period",
		refs: refs{
			"actor":     "CareTeam Device Group Organization Patient Practitioner PractitionerRole RelatedPerson",
			"consentor": "Organization Patient Practitioner PractitionerRole RelatedPerson", "data": "*",
			"organization": "Organization", "source-reference": "Consent Contract DocumentReference QuestionnaireResponse",
		},
	},
	"Coverage": {
		member: "beneficiary", bind: "patient", names: "beneficiary patient",
		tokens: "class-type identifier status type", strings: "class-value dependent",
		refs: refs{
			"payor": "Organization Patient RelatedPerson", "policy-holder": "Organization Patient RelatedPerson",
			"subscriber": "Patient RelatedPerson",
		},
	},
	"CoverageEligibilityRequest": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status", dates: "created",
		refs: refs{
			"enterer": "Practitioner PractitionerRole", "facility": "Location",
			"provider": "Organization Practitioner PractitionerRole",
		},
	},
	"CoverageEligibilityResponse": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier outcome status", dates: "created", strings: "disposition",
		refs: refs{
			"insurer": "Organization", "request": "CoverageEligibilityRequest",
			"requestor": "Organization Practitioner PractitionerRole",
		},
	},
	"DetectedIssue": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "code identifier", dates: "identified",
		refs: refs{
			"author": "Device Practitioner PractitionerRole", "implicated": "*",
		},
	},
	"Device": { // not in the Patient compartment: bound by an element of its own (RM-17)
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status type", strings: "device-name manufacturer model udi-carrier udi-di", uris: "url",
		refs: refs{
			"location": "Location", "organization": "Organization",
		},
	},
	"DeviceRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code group-identifier identifier intent status", dates: "authored-on event-date",
		uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"based-on": "*", "device": "Device", "encounter": "Encounter EpisodeOfCare",
			"insurance":     "ClaimResponse Coverage",
			"performer":     "CareTeam Device HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
			"prior-request": "*", "requester": "Device Organization Practitioner PractitionerRole",
		},
	},
	"DeviceUseStatement": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier",
		refs: refs{
			"device": "Device",
		},
	},
	"DiagnosticReport": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code conclusion identifier status", dates: "date issued",
		refs: refs{
			"based-on":  "CarePlan ImmunizationRecommendation MedicationRequest NutritionOrder ServiceRequest",
			"encounter": "Encounter EpisodeOfCare", "media": "Media",
			"performer": "CareTeam Organization Practitioner PractitionerRole", "result": "Observation",
			"results-interpreter": "CareTeam Organization Practitioner PractitionerRole", "specimen": "Specimen",
		},
	},
	"DocumentManifest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier related-id status type", dates: "created", strings: "description", uris: "source",
		refs: refs{
			"author": "Device Organization Patient Practitioner PractitionerRole RelatedPerson", "item": "*",
			"recipient": "Organization Patient Practitioner PractitionerRole RelatedPerson", "related-ref": "*",
		},
	},
	"DocumentReference": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category contenttype event facility format identifier language relation security-label setting status type",
		dates:  "date period", strings: "description", composites: "relationship",
		refused: byReason{
			"addresses of attachments are not disclosed": "location",
		},
		refs: refs{
			"authenticator": "Organization Practitioner PractitionerRole",
			"author":        "Device Organization Patient Practitioner PractitionerRole RelatedPerson", "custodian": "Organization",
			"encounter": "Encounter EpisodeOfCare", "related": "*", "relatesto": "DocumentReference",
		},
	},
	"Encounter": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "class identifier participant-type reason-code special-arrangement status type",
		dates:  "date location-period", quantities: "length",
		refs: refs{
			"account": "Account", "appointment": "Appointment", "based-on": "ServiceRequest",
			"diagnosis": "Condition Procedure", "episode-of-care": "EpisodeOfCare", "location": "Location",
			"part-of": "Encounter", "participant": "Practitioner PractitionerRole RelatedPerson",
			"practitioner": "Practitioner", "reason-reference": "Condition ImmunizationRecommendation Observation Procedure",
			"service-provider": "Organization",
		},
	},
	"EpisodeOfCare": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status type", dates: "date",
		refs: refs{
			"care-manager": "Practitioner", "condition": "Condition", "incoming-referral": "ServiceRequest",
			"organization": "Organization",
		},
	},
	"ExplanationOfBenefit": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status", dates: "created", strings: "disposition",
		refs: refs{
			"care-team": "Organization Practitioner PractitionerRole", "claim": "Claim", "coverage": "Coverage",
			"detail-udi": "Device", "encounter": "Encounter", "enterer": "Practitioner PractitionerRole",
			"facility": "Location", "item-udi": "Device",
			"payee": "Organization Patient Practitioner PractitionerRole RelatedPerson", "procedure-udi": "Device",
			"provider": "Organization Practitioner PractitionerRole", "subdetail-udi": "Device",
		},
	},
}
