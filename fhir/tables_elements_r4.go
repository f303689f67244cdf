package fhir

// The element paths come from the FHIRPath expressions of the HL7 package hl7.fhir.r4.core 4.0.1 (search-parameters bundle),
// published under CC0-1.0, written as in JSON: a choice element has the name of its reference variant. Conditions on the target's
// type are in the tables of parameters. A test compares them with the expressions.

// r4Elements are the elements that the reference parameters of R4 follow.
var r4Elements = map[string]paramElements{
	"Account": {"owner": "owner", "subject": "patient subject"},
	"AdverseEvent": {
		"location": "location", "recorder": "recorder", "resultingCondition": "resultingcondition", "study": "study", "subject": "subject",
		"suspectEntity.instance": "substance",
	},
	"AllergyIntolerance": {"asserter": "asserter", "patient": "patient", "recorder": "recorder"},
	"Appointment": {
		"basedOn": "based-on", "participant.actor": "actor location patient practitioner", "reasonReference": "reason-reference",
		"slot": "slot", "supportingInformation": "supporting-info",
	},
	"AppointmentResponse": {"actor": "actor location patient practitioner", "appointment": "appointment"},
	"BodyStructure":       {"patient": "patient"},
	"CarePlan": {
		"activity.detail.performer": "performer", "activity.reference": "activity-reference", "addresses": "condition",
		"basedOn": "based-on", "careTeam": "care-team", "encounter": "encounter", "goal": "goal", "partOf": "part-of",
		"replaces": "replaces", "subject": "patient subject",
	},
	"CareTeam": {"encounter": "encounter", "participant.member": "participant", "subject": "patient subject"},
	"ChargeItem": {
		"account": "account", "context": "context", "enterer": "enterer", "performer.actor": "performer-actor",
		"performingOrganization": "performing-organization", "requestingOrganization": "requesting-organization", "service": "service",
		"subject": "patient subject",
	},
	"Claim": {
		"careTeam.provider": "care-team", "enterer": "enterer", "facility": "facility", "insurer": "insurer",
		"item.detail.subDetail.udi": "subdetail-udi", "item.detail.udi": "detail-udi", "item.encounter": "encounter",
		"item.udi": "item-udi", "patient": "patient", "payee.party": "payee", "procedure.udi": "procedure-udi", "provider": "provider",
	},
	"ClaimResponse": {"insurer": "insurer", "patient": "patient", "request": "request", "requestor": "requestor"},
	"ClinicalImpression": {
		"assessor": "assessor", "encounter": "encounter", "finding.itemReference": "finding-ref", "investigation.item": "investigation",
		"previous": "previous", "problem": "problem", "subject": "patient subject", "supportingInfo": "supporting-info",
	},
	"Communication": {
		"basedOn": "based-on", "encounter": "encounter", "partOf": "part-of", "recipient": "recipient", "sender": "sender",
		"subject": "patient subject",
	},
	"CommunicationRequest": {
		"basedOn": "based-on", "encounter": "encounter", "recipient": "recipient", "replaces": "replaces", "requester": "requester",
		"sender": "sender", "subject": "patient subject",
	},
	"Composition": {
		"attester.party": "attester", "author": "author", "encounter": "encounter", "relatesTo.targetReference": "related-ref",
		"section.entry": "entry", "subject": "patient subject",
	},
	"Condition": {"asserter": "asserter", "encounter": "encounter", "evidence.detail": "evidence-detail", "subject": "patient subject"},
	"Consent": {
		"organization": "organization", "patient": "patient", "performer": "consentor", "provision.actor.reference": "actor",
		"provision.data.reference": "data", "sourceReference": "source-reference",
	},
	"Coverage":                    {"beneficiary": "beneficiary patient", "payor": "payor", "policyHolder": "policy-holder", "subscriber": "subscriber"},
	"CoverageEligibilityRequest":  {"enterer": "enterer", "facility": "facility", "patient": "patient", "provider": "provider"},
	"CoverageEligibilityResponse": {"insurer": "insurer", "patient": "patient", "request": "request", "requestor": "requestor"},
	"DetectedIssue":               {"author": "author", "implicated": "implicated", "patient": "patient"},
	"Device":                      {"location": "location", "owner": "organization", "patient": "patient"},
	"DeviceRequest": {
		"basedOn": "based-on", "codeReference": "device", "encounter": "encounter", "insurance": "insurance", "performer": "performer",
		"priorRequest": "prior-request", "requester": "requester", "subject": "patient subject",
	},
	"DeviceUseStatement": {"device": "device", "subject": "patient subject"},
	"DiagnosticReport": {
		"basedOn": "based-on", "encounter": "encounter", "media.link": "media", "performer": "performer", "result": "result",
		"resultsInterpreter": "results-interpreter", "specimen": "specimen", "subject": "patient subject",
	},
	"DocumentManifest": {
		"author": "author", "content": "item", "recipient": "recipient", "related.ref": "related-ref", "subject": "patient subject",
	},
	"DocumentReference": {
		"authenticator": "authenticator", "author": "author", "context.encounter": "encounter", "context.related": "related",
		"custodian": "custodian", "relatesTo.target": "relatesto", "subject": "patient subject",
	},
	"Encounter": {
		"account": "account", "appointment": "appointment", "basedOn": "based-on", "diagnosis.condition": "diagnosis",
		"episodeOfCare": "episode-of-care", "location.location": "location", "partOf": "part-of",
		"participant.individual": "participant practitioner", "reasonReference": "reason-reference", "serviceProvider": "service-provider",
		"subject": "patient subject",
	},
	"EpisodeOfCare": {
		"careManager": "care-manager", "diagnosis.condition": "condition", "managingOrganization": "organization", "patient": "patient",
		"referralRequest": "incoming-referral",
	},
	"ExplanationOfBenefit": {
		"careTeam.provider": "care-team", "claim": "claim", "enterer": "enterer", "facility": "facility", "insurance.coverage": "coverage",
		"item.detail.subDetail.udi": "subdetail-udi", "item.detail.udi": "detail-udi", "item.encounter": "encounter",
		"item.udi": "item-udi", "patient": "patient", "payee.party": "payee", "procedure.udi": "procedure-udi", "provider": "provider",
	},
	"FamilyMemberHistory": {"patient": "patient"},
	"Flag":                {"author": "author", "encounter": "encounter", "subject": "patient subject"},
	"Goal":                {"subject": "patient subject"},
	"HealthcareService":   {"location": "location", "providedBy": "organization"},
	"ImagingStudy": {
		"basedOn": "basedon", "encounter": "encounter", "endpoint": "endpoint", "interpreter": "interpreter", "referrer": "referrer",
		"series.endpoint": "endpoint", "series.performer.actor": "performer", "subject": "patient subject",
	},
	"Immunization": {
		"location": "location", "manufacturer": "manufacturer", "patient": "patient", "performer.actor": "performer",
		"reaction.detail": "reaction", "reasonReference": "reason-reference",
	},
	"ImmunizationEvaluation": {"immunizationEvent": "immunization-event", "patient": "patient"},
	"ImmunizationRecommendation": {
		"patient": "patient", "recommendation.supportingImmunization": "support",
		"recommendation.supportingPatientInformation": "information",
	},
	"Invoice": {
		"account": "account", "issuer": "issuer", "participant.actor": "participant", "recipient": "recipient",
		"subject": "patient subject",
	},
	"Location":   {"managingOrganization": "organization", "partOf": "partof"},
	"Media":      {"basedOn": "based-on", "device": "device", "encounter": "encounter", "operator": "operator", "subject": "patient subject"},
	"Medication": {"ingredient.itemReference": "ingredient", "manufacturer": "manufacturer"},
	"MedicationAdministration": {
		"context": "context", "device": "device", "medicationReference": "medication", "performer.actor": "performer",
		"request": "request", "subject": "patient subject",
	},
	"MedicationDispense": {
		"authorizingPrescription": "prescription", "context": "context", "destination": "destination", "medicationReference": "medication",
		"performer.actor": "performer", "receiver": "receiver", "subject": "patient subject",
		"substitution.responsibleParty": "responsibleparty",
	},
	"MedicationRequest": {
		"dispenseRequest.performer": "intended-dispenser", "encounter": "encounter", "medicationReference": "medication",
		"performer": "intended-performer", "requester": "requester", "subject": "patient subject",
	},
	"MedicationStatement": {
		"context": "context", "informationSource": "source", "medicationReference": "medication", "partOf": "part-of",
		"subject": "patient subject",
	},
	"MolecularSequence": {"patient": "patient"},
	"NutritionOrder":    {"encounter": "encounter", "orderer": "provider", "patient": "patient"},
	"Observation": {
		"basedOn": "based-on", "derivedFrom": "derived-from", "device": "device", "encounter": "encounter", "focus": "focus",
		"hasMember": "has-member", "partOf": "part-of", "performer": "performer", "specimen": "specimen", "subject": "patient subject",
	},
	"Organization": {"partOf": "partof"},
	"Patient":      {"generalPractitioner": "general-practitioner", "managingOrganization": "organization"},
	"PractitionerRole": {
		"healthcareService": "service", "location": "location", "organization": "organization", "practitioner": "practitioner",
	},
	"Procedure": {
		"basedOn": "based-on", "encounter": "encounter", "location": "location", "partOf": "part-of", "performer.actor": "performer",
		"reasonReference": "reason-reference", "subject": "patient subject",
	},
	"QuestionnaireResponse": {
		"author": "author", "basedOn": "based-on", "encounter": "encounter", "partOf": "part-of", "source": "source",
		"subject": "patient subject",
	},
	"RequestGroup":   {"action.participant": "participant", "author": "author", "encounter": "encounter", "subject": "patient subject"},
	"RiskAssessment": {"condition": "condition", "encounter": "encounter", "performer": "performer", "subject": "patient subject"},
	"ServiceRequest": {
		"basedOn": "based-on", "encounter": "encounter", "performer": "performer", "replaces": "replaces", "requester": "requester",
		"specimen": "specimen", "subject": "patient subject",
	},
	"Specimen":           {"collection.collector": "collector", "parent": "parent", "subject": "patient subject"},
	"SupplyDelivery":     {"patient": "patient", "receiver": "receiver", "supplier": "supplier"},
	"SupplyRequest":      {"deliverTo": "subject", "requester": "requester", "supplier": "supplier"},
	"VisionPrescription": {"encounter": "encounter", "patient": "patient", "prescriber": "prescriber"},
}
