package fhir

// The element paths come from the FHIRPath expressions of the HL7 package hl7.fhir.core 3.0.1 (SearchParameters), published under
// CC0-1.0, written as in JSON, like those of R4. A test compares them with the expressions.

// stu3Elements are the elements that the reference parameters of STU3 follow.
var stu3Elements = map[string]paramElements{
	"Account": {"owner": "owner", "subject": "patient subject"},
	"AdverseEvent": {
		"location": "location", "reaction": "reaction", "recorder": "recorder", "study": "study", "subject": "subject",
		"suspectEntity.instance": "substance",
	},
	"AllergyIntolerance":  {"asserter": "asserter", "patient": "patient", "recorder": "recorder"},
	"Appointment":         {"incomingReferral": "incomingreferral", "participant.actor": "actor location patient practitioner"},
	"AppointmentResponse": {"actor": "actor location patient practitioner", "appointment": "appointment"},
	"BodySite":            {"patient": "patient"},
	"CarePlan": {
		"activity.detail.performer": "performer", "activity.reference": "activity-reference", "addresses": "condition",
		"basedOn": "based-on", "careTeam": "care-team", "context": "context encounter", "definition": "definition", "goal": "goal",
		"partOf": "part-of", "replaces": "replaces", "subject": "patient subject",
	},
	"CareTeam": {"context": "context encounter", "participant.member": "participant", "subject": "patient subject"},
	"ChargeItem": {
		"account": "account", "context": "context", "enterer": "enterer", "participant.actor": "participant-actor",
		"performingOrganization": "performing-organization", "requestingOrganization": "requesting-organization", "service": "service",
		"subject": "patient subject",
	},
	"Claim": {
		"careTeam.provider": "care-team", "enterer": "enterer", "facility": "facility", "insurer": "insurer",
		"item.encounter": "encounter", "organization": "organization", "patient": "patient", "payee.party": "payee",
		"provider": "provider",
	},
	"ClaimResponse": {"insurer": "insurer", "patient": "patient", "request": "request", "requestProvider": "request-provider"},
	"ClinicalImpression": {
		"action": "action", "assessor": "assessor", "context": "context", "finding.itemReference": "finding-ref",
		"investigation.item": "investigation", "previous": "previous", "problem": "problem", "subject": "patient subject",
	},
	"Communication": {
		"basedOn": "based-on", "context": "context encounter", "definition": "definition", "partOf": "part-of", "recipient": "recipient",
		"sender": "sender", "subject": "patient subject",
	},
	"CommunicationRequest": {
		"basedOn": "based-on", "context": "context encounter", "recipient": "recipient", "replaces": "replaces",
		"requester.agent": "requester", "sender": "sender", "subject": "patient subject",
	},
	"Composition": {
		"attester.party": "attester", "author": "author", "encounter": "encounter", "relatesTo.targetReference": "related-ref",
		"section.entry": "entry", "subject": "patient subject",
	},
	"Condition": {
		"asserter": "asserter", "context": "context encounter", "evidence.detail": "evidence-detail", "subject": "patient subject",
	},
	"Consent": {
		"actor.reference": "actor", "consentingParty": "consentor", "data.reference": "data", "except.actor.reference": "actor",
		"except.data.reference": "data", "organization": "organization", "patient": "patient", "sourceReference": "source",
	},
	"Coverage":      {"beneficiary": "beneficiary", "payor": "payor", "policyHolder": "policy-holder", "subscriber": "subscriber"},
	"DetectedIssue": {"author": "author", "implicated": "implicated", "patient": "patient"},
	"Device":        {"location": "location", "owner": "organization", "patient": "patient"},
	"DeviceRequest": {
		"basedOn": "based-on", "codeReference": "device", "context": "encounter", "definition": "definition", "performer": "performer",
		"priorRequest": "priorrequest", "requester.agent": "requester", "subject": "patient subject",
	},
	"DeviceUseStatement": {"device": "device", "subject": "patient subject"},
	"DiagnosticReport": {
		"basedOn": "based-on", "context": "context encounter", "image.link": "image", "performer.actor": "performer", "result": "result",
		"specimen": "specimen", "subject": "patient subject",
	},
	"DocumentManifest": {
		"author": "author", "content.pReference": "content-ref", "recipient": "recipient", "related.ref": "related-ref",
		"subject": "patient subject",
	},
	"DocumentReference": {
		"authenticator": "authenticator", "author": "author", "context.encounter": "encounter", "context.related.ref": "related-ref",
		"custodian": "custodian", "relatesTo.target": "relatesto", "subject": "patient subject",
	},
	"EligibilityRequest": {
		"enterer": "enterer", "facility": "facility", "organization": "organization", "patient": "patient", "provider": "provider",
	},
	"Encounter": {
		"appointment": "appointment", "diagnosis.condition": "diagnosis", "episodeOfCare": "episodeofcare",
		"incomingReferral": "incomingreferral", "location.location": "location", "partOf": "part-of",
		"participant.individual": "participant practitioner", "serviceProvider": "service-provider", "subject": "patient subject",
	},
	"EpisodeOfCare": {
		"careManager": "care-manager", "diagnosis.condition": "condition", "managingOrganization": "organization", "patient": "patient",
		"referralRequest": "incomingreferral",
	},
	"ExplanationOfBenefit": {
		"careTeam.provider": "care-team", "claim": "claim", "enterer": "enterer", "facility": "facility", "insurance.coverage": "coverage",
		"item.encounter": "encounter", "organization": "organization", "patient": "patient", "payee.party": "payee",
		"provider": "provider",
	},
	"FamilyMemberHistory": {"definition": "definition", "patient": "patient"},
	"Flag":                {"author": "author", "encounter": "encounter", "subject": "patient subject"},
	"Goal":                {"subject": "patient subject"},
	"HealthcareService":   {"location": "location", "providedBy": "organization"},
	"ImagingManifest": {
		"author": "author", "patient": "patient", "study.endpoint": "endpoint", "study.imagingStudy": "imaging-study",
		"study.series.endpoint": "endpoint",
	},
	"ImagingStudy": {
		"basedOn": "basedon", "context": "context", "endpoint": "endpoint", "patient": "patient", "series.endpoint": "endpoint",
		"series.performer": "performer",
	},
	"Immunization": {
		"location": "location", "manufacturer": "manufacturer", "patient": "patient", "practitioner.actor": "practitioner",
		"reaction.detail": "reaction",
	},
	"ImmunizationRecommendation": {
		"patient": "patient", "recommendation.supportingImmunization": "support",
		"recommendation.supportingPatientInformation": "information",
	},
	"Location":   {"managingOrganization": "organization", "partOf": "partof"},
	"Media":      {"basedOn": "based-on", "context": "context", "device": "device", "operator": "operator", "subject": "patient subject"},
	"Medication": {"ingredient.itemReference": "ingredient", "manufacturer": "manufacturer"},
	"MedicationAdministration": {
		"context": "context", "device": "device", "medicationReference": "medication", "performer.actor": "performer",
		"prescription": "prescription", "subject": "patient subject",
	},
	"MedicationDispense": {
		"authorizingPrescription": "prescription", "context": "context", "destination": "destination", "medicationReference": "medication",
		"performer.actor": "performer", "receiver": "receiver", "subject": "patient subject",
		"substitution.responsibleParty": "responsibleparty",
	},
	"MedicationRequest": {
		"context": "context", "dispenseRequest.performer": "intended-dispenser", "medicationReference": "medication",
		"requester.agent": "requester", "subject": "patient subject",
	},
	"MedicationStatement": {
		"context": "context", "informationSource": "source", "medicationReference": "medication", "partOf": "part-of",
		"subject": "patient subject",
	},
	"NutritionOrder": {"encounter": "encounter", "orderer": "provider", "patient": "patient"},
	"Observation": {
		"basedOn": "based-on", "context": "context encounter", "device": "device", "performer": "performer",
		"related.target": "related-target", "specimen": "specimen", "subject": "patient subject",
	},
	"Organization": {"partOf": "partof"},
	"Patient":      {"generalPractitioner": "general-practitioner", "managingOrganization": "organization"},
	"PractitionerRole": {
		"healthcareService": "service", "location": "location", "organization": "organization", "practitioner": "practitioner",
	},
	"Procedure": {
		"basedOn": "based-on", "context": "context encounter", "definition": "definition", "location": "location", "partOf": "part-of",
		"performer.actor": "performer", "subject": "patient subject",
	},
	"ProcedureRequest": {
		"basedOn": "based-on", "context": "context encounter", "definition": "definition", "performer": "performer",
		"replaces": "replaces", "requester.agent": "requester", "specimen": "specimen", "subject": "patient subject",
	},
	"QuestionnaireResponse": {
		"author": "author", "basedOn": "based-on", "context": "context", "parent": "parent", "questionnaire": "questionnaire",
		"source": "source", "subject": "patient subject",
	},
	"ReferralRequest": {
		"basedOn": "based-on", "context": "context encounter", "definition": "definition", "recipient": "recipient",
		"replaces": "replaces", "requester.agent": "requester", "subject": "patient subject",
	},
	"RequestGroup": {
		"action.participant": "participant", "author": "author", "context": "context encounter", "definition": "definition",
		"subject": "patient subject",
	},
	"RiskAssessment":     {"condition": "condition", "context": "encounter", "performer": "performer", "subject": "patient subject"},
	"Sequence":           {"patient": "patient"},
	"Specimen":           {"collection.collector": "collector", "parent": "parent", "subject": "patient subject"},
	"SupplyDelivery":     {"patient": "patient", "receiver": "receiver", "supplier": "supplier"},
	"VisionPrescription": {"encounter": "encounter", "patient": "patient", "prescriber": "prescriber"},
}
