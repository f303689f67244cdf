package fhir

// stu3Shared are the types that belong to no patient.
const stu3Shared = "HealthcareService Location Medication Organization Practitioner PractitionerRole"

// stu3SharedRefs are the references of shared types that an iterated include may follow.
var stu3SharedRefs = map[string]refs{
	"HealthcareService": {"location": "Location", "organization": "Organization"},
	"Location":          {"organization": "Organization", "partof": "Location"},
	"Medication":        {"ingredient": "Medication Substance", "manufacturer": "Organization"},
	"Organization":      {"partof": "Organization"},
	"PractitionerRole": {
		"location": "Location", "organization": "Organization", "practitioner": "Practitioner", "service": "HealthcareService",
	},
}

// stu3Refused are the types that are not served, by reason, with rows of the leak catalogue in parentheses.
var stu3Refused = byReason{
	"a definition or a conformance statement, no patient's data": "ActivityDefinition CapabilityStatement CodeSystem CompartmentDefinition ConceptMap DataElement " +
		"ExpansionProfile GraphDefinition ImplementationGuide Library Measure MessageDefinition NamingSystem " +
		"OperationDefinition PlanDefinition SearchParameter ServiceDefinition StructureDefinition StructureMap " +
		"TestReport TestScript ValueSet",
	"who looked at whom; the gateway keeps its own access events (AU-7)":           "AuditEvent",
	"its subject may be anything and its code anything: nothing classifies it":     "Basic",
	"opaque bytes without a patient of their own (BI-1)":                           "Binary",
	"a stored Bundle hides entries of anybody (BA-8)":                              "Bundle",
	"names parties and topics of any kind; not in the Patient compartment (RM-17)": "Contract",
	"not in the Patient compartment (RM-17)": "DeviceComponent DeviceMetric EligibilityResponse EnrollmentResponse GuidanceResponse PaymentNotice " +
		"PaymentReconciliation ProcessRequest ProcessResponse Task",
	"addresses and headers of another door to the data (BI-13)":                    "Endpoint",
	"enrolment of one person in the insurance of another":                          "EnrollmentRequest",
	"members are several patients (RM-1)":                                          "Group",
	"says that two records are one person (RM-10)":                                 "Linkage",
	"items of anybody, with or without a subject (RM-2)":                           "List",
	"small-cell counts (RM-12)":                                                    "MeasureReport ResearchStudy ResearchSubject",
	"product knowledge, no patient's data":                                         "Substance",
	"a message about anything (RM-17)":                                             "MessageHeader",
	"not a record; the gateway makes its own":                                      "OperationOutcome",
	"a container of anything (OP-19)":                                              "Parameters",
	"links the records of one person over patients (RM-10)":                        "Person",
	"targets of several patients; who treated whom (RM-11)":                        "Provenance",
	"a definition; copies of it can be specific to one patient without naming him": "Questionnaire",
	"family data of a second person (RM-8)":                                        "RelatedPerson",
	"who is treated where (RM-4)":                                                  "Schedule Slot",
	"says who asked for a supply, not for whom":                                    "SupplyRequest",
	"pushes data past the gateway (AS-5)":                                          "Subscription",
}

// stu3Operations are the standard operations of STU3 by what they do. None is sent to a source.
var stu3Operations = byReason{
	"served in one form, put together from searches (OP-1, OP-3)": "everything lastn",
	"computes over any patient's data (OP-12)":                    "apply evaluate evaluate-measure populate populatehtml populatelink questionnaire",
	"terminology, no patient's data (OP-14)":                      "closure compose expand lookup subsumes translate validate-code",
	"about definitions, no patient's data":                        "conforms data-requirements implements subset",
	"carries other interactions or formats (OP-13)":               "process-message transform",
	"collects over categories (OP-5)":                             "document",
	"filters by a list of anybody (OP-11)":                        "find",
	"aggregates over hidden rows (OP-4)":                          "stats",
	"finds patients across the population (OP-10)":                "match",
	"reads or changes labels (OP-8)":                              "meta meta-add meta-delete",
	"tells what exists (OP-9)":                                    "validate",
}
