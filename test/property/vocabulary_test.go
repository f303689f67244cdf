package property_test

import "zorgsluis/fhir"

// link is a reference element of a type, and the search parameter that follows it; "" if none does. Many types have several elements that
// refer to the same type, so that the reason for which a resource is included can differ from that for which it may be released.
type link struct{ from, path, to, param string }

// vocabulary is how a version of FHIR names the parts of worlds.
type vocabulary struct {
	links []link
	// usual are types that worlds have more often than others: those with links between them.
	usual                                   []string
	categorySystem, labelSystem, binaryData string
}

var vocabularies = map[fhir.Version]vocabulary{fhir.R4: r4, fhir.STU3: stu3}

// sharedTypes are the shared types that worlds have.
var sharedTypes = []string{"Practitioner", "Organization", "Medication", "PractitionerRole"}

const (
	sensitiveCode = "370143000" // in configs/sensitive-codes.yaml
	snomed        = "http://snomed.info/sct"
)

var r4 = vocabulary{
	categorySystem: "http://terminology.hl7.org/CodeSystem/observation-category",
	labelSystem:    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
	binaryData:     "data",
	usual: []string{
		"Observation", "Condition", "MedicationRequest", "DiagnosticReport", "Encounter", "Procedure", "DocumentReference", "ServiceRequest",
		"CarePlan", "Goal", "MedicationStatement",
	},
	links: []link{
		{"Observation", "encounter", "Encounter", "encounter"}, {"Observation", "hasMember[]", "Observation", "has-member"},
		{"Observation", "derivedFrom[]", "Observation", "derived-from"}, {"Observation", "focus[]", "Observation", "focus"},
		{"Observation", "performer[]", "Practitioner", "performer"}, {"Observation", "performer[]", "Organization", "performer"},
		{"Observation", "performer[]", "PractitionerRole", "performer"}, {"Observation", "basedOn[]", "ServiceRequest", "based-on"},
		{"Condition", "encounter", "Encounter", "encounter"}, {"Condition", "evidence[].detail[]", "Observation", "evidence-detail"},
		{"Condition", "stage[].assessment[]", "Observation", ""},
		{"Condition", "asserter", "Practitioner", "asserter"}, {"Condition", "recorder", "Practitioner", ""},
		{"MedicationRequest", "requester", "Practitioner", "requester"}, {"MedicationRequest", "recorder", "Practitioner", ""},
		{"MedicationRequest", "performer", "Practitioner", "intended-performer"},
		{"MedicationRequest", "performer", "Organization", "intended-performer"},
		{"MedicationRequest", "dispenseRequest.performer", "Organization", "intended-dispenser"},
		{"MedicationRequest", "medicationReference", "Medication", "medication"}, {"MedicationRequest", "encounter", "Encounter", "encounter"},
		{"MedicationRequest", "supportingInformation[]", "Encounter", ""},
		{"DiagnosticReport", "result[]", "Observation", "result"}, {"DiagnosticReport", "performer[]", "Practitioner", "performer"},
		{"DiagnosticReport", "performer[]", "Organization", "performer"}, {"DiagnosticReport", "encounter", "Encounter", "encounter"},
		{"DiagnosticReport", "resultsInterpreter[]", "Practitioner", "results-interpreter"},
		{"Encounter", "serviceProvider", "Organization", "service-provider"}, {"Encounter", "hospitalization.destination", "Organization", ""},
		{"Encounter", "participant[].individual", "Practitioner", "practitioner"},
		{"Encounter", "participant[].individual", "PractitionerRole", "participant"},
		{"Encounter", "diagnosis[].condition", "Condition", "diagnosis"}, {"Encounter", "reasonReference[]", "Condition", "reason-reference"},
		{"Encounter", "partOf", "Encounter", "part-of"},
		{"Procedure", "encounter", "Encounter", "encounter"}, {"Procedure", "performer[].actor", "Practitioner", "performer"},
		{"Procedure", "recorder", "Practitioner", ""}, {"Procedure", "asserter", "Practitioner", ""},
		{"Procedure", "reasonReference[]", "Condition", "reason-reference"}, {"Procedure", "complicationDetail[]", "Condition", ""},
		{"Procedure", "partOf[]", "Procedure", "part-of"},
		{"CarePlan", "goal[]", "Goal", "goal"}, {"CarePlan", "addresses[]", "Condition", "condition"}, {"CarePlan", "supportingInfo[]", "Condition", ""},
		{"DocumentReference", "author[]", "Practitioner", "author"}, {"DocumentReference", "authenticator", "Practitioner", "authenticator"},
		{"ServiceRequest", "requester", "Practitioner", "requester"}, {"ServiceRequest", "performer[]", "Practitioner", "performer"},
		{"ServiceRequest", "encounter", "Encounter", "encounter"},
		{"MedicationStatement", "context", "Encounter", "context"}, {"MedicationStatement", "medicationReference", "Medication", "medication"},
		{"MedicationStatement", "informationSource", "Practitioner", "source"},
		{"Medication", "manufacturer", "Organization", "manufacturer"},
		{"PractitionerRole", "practitioner", "Practitioner", "practitioner"}, {"PractitionerRole", "organization", "Organization", "organization"},
		{"Organization", "partOf", "Organization", "partof"},
	},
}

var stu3 = vocabulary{
	categorySystem: "http://hl7.org/fhir/observation-category",
	labelSystem:    "http://hl7.org/fhir/v3/Confidentiality",
	binaryData:     "content",
	usual: []string{
		"Observation", "Condition", "MedicationRequest", "DiagnosticReport", "Encounter", "Procedure", "DocumentReference", "ProcedureRequest",
		"CarePlan", "Goal", "MedicationStatement",
	},
	links: []link{
		{"Observation", "context", "Encounter", "encounter"}, {"Observation", "related[].target", "Observation", "related-target"},
		{"Observation", "performer[]", "Practitioner", "performer"}, {"Observation", "performer[]", "Organization", "performer"},
		{"Observation", "basedOn[]", "ProcedureRequest", "based-on"},
		{"Condition", "context", "Encounter", "encounter"}, {"Condition", "evidence[].detail[]", "Observation", "evidence-detail"},
		{"Condition", "stage.assessment[]", "Observation", ""}, {"Condition", "asserter", "Practitioner", "asserter"},
		{"MedicationRequest", "requester.agent", "Practitioner", "requester"},
		{"MedicationRequest", "requester.onBehalfOf", "Organization", ""}, {"MedicationRequest", "recorder", "Practitioner", ""},
		{"MedicationRequest", "dispenseRequest.performer", "Organization", "intended-dispenser"},
		{"MedicationRequest", "medicationReference", "Medication", "medication"}, {"MedicationRequest", "context", "Encounter", "context"},
		{"MedicationRequest", "supportingInformation[]", "Encounter", ""},
		{"DiagnosticReport", "result[]", "Observation", "result"}, {"DiagnosticReport", "performer[].actor", "Practitioner", "performer"},
		{"DiagnosticReport", "performer[].actor", "Organization", "performer"}, {"DiagnosticReport", "context", "Encounter", "encounter"},
		{"Encounter", "serviceProvider", "Organization", "service-provider"},
		{"Encounter", "participant[].individual", "Practitioner", "practitioner"},
		{"Encounter", "diagnosis[].condition", "Condition", "diagnosis"}, {"Encounter", "partOf", "Encounter", "part-of"},
		{"Procedure", "context", "Encounter", "encounter"}, {"Procedure", "performer[].actor", "Practitioner", "performer"},
		{"Procedure", "performer[].onBehalfOf", "Organization", ""}, {"Procedure", "reasonReference[]", "Condition", ""},
		{"Procedure", "partOf[]", "Procedure", "part-of"},
		{"CarePlan", "goal[]", "Goal", "goal"}, {"CarePlan", "addresses[]", "Condition", "condition"}, {"CarePlan", "supportingInfo[]", "Condition", ""},
		{"DocumentReference", "author[]", "Practitioner", "author"}, {"DocumentReference", "authenticator", "Practitioner", "authenticator"},
		{"ProcedureRequest", "requester.agent", "Practitioner", "requester"}, {"ProcedureRequest", "context", "Encounter", "context"},
		{"ProcedureRequest", "requester.onBehalfOf", "Organization", ""},
		{"MedicationStatement", "context", "Encounter", "context"}, {"MedicationStatement", "medicationReference", "Medication", "medication"},
		{"MedicationStatement", "informationSource", "Practitioner", "source"},
		{"Medication", "manufacturer", "Organization", "manufacturer"},
		{"PractitionerRole", "practitioner", "Practitioner", "practitioner"}, {"PractitionerRole", "organization", "Organization", "organization"},
		{"Organization", "partOf", "Organization", "partof"},
	},
}
