package fhir

// r4Shared are the types that belong to no patient.
const r4Shared = "HealthcareService Location Medication Organization Practitioner PractitionerRole"

// r4SharedRefs are the references of shared types that an iterated include may follow.
var r4SharedRefs = map[string]refs{
	"HealthcareService": {"location": "Location", "organization": "Organization"},
	"Location":          {"organization": "Organization", "partof": "Location"},
	"Medication":        {"ingredient": "Medication Substance", "manufacturer": "Organization"},
	"Organization":      {"partof": "Organization"},
	"PractitionerRole": {
		"location": "Location", "organization": "Organization", "practitioner": "Practitioner", "service": "HealthcareService",
	},
}

// r4Refused are the types that are not served, by reason, with rows of the leak catalogue in parentheses.
var r4Refused = byReason{
	"a definition or a conformance statement, no patient's data": "ActivityDefinition CapabilityStatement ChargeItemDefinition CodeSystem CompartmentDefinition ConceptMap " +
		"DeviceDefinition EventDefinition ExampleScenario GraphDefinition ImplementationGuide Library Measure " +
		"MessageDefinition NamingSystem ObservationDefinition OperationDefinition PlanDefinition ResearchDefinition " +
		"ResearchElementDefinition SearchParameter SpecimenDefinition StructureDefinition StructureMap " +
		"TerminologyCapabilities TestReport TestScript ValueSet",
	"who looked at whom; the gateway keeps its own access events (AU-7)":              "AuditEvent",
	"its subject may be anything and its code anything: nothing classifies it":        "Basic",
	"opaque bytes without a patient of their own (BI-1)":                              "Binary",
	"a product of a donor for another person; not in the Patient compartment (RM-14)": "BiologicallyDerivedProduct",
	"a stored Bundle hides entries of anybody (BA-8)":                                 "Bundle",
	"a directory entry that no served type refers to":                                 "CatalogEntry InsurancePlan OrganizationAffiliation",
	"names parties and topics of any kind; not in the Patient compartment (RM-17)":    "Contract",
	"not in the Patient compartment (RM-17)": "DeviceMetric EnrollmentResponse GuidanceResponse PaymentNotice PaymentReconciliation Task " +
		"VerificationResult",
	"evidence about populations, no patient's data":             "EffectEvidenceSynthesis Evidence EvidenceVariable RiskEvidenceSynthesis",
	"addresses and headers of another door to the data (BI-13)": "Endpoint",
	"enrolment of one person in the insurance of another":       "EnrollmentRequest",
	"members are several patients (RM-1)":                       "Group",
	"says that two records are one person (RM-10)":              "Linkage",
	"items of anybody, with or without a subject (RM-2)":        "List",
	"small-cell counts (RM-12)":                                 "MeasureReport ResearchStudy ResearchSubject",
	"product knowledge, no patient's data": "MedicationKnowledge MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication " +
		"MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured " +
		"MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect Substance " +
		"SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial " +
		"SubstanceSpecification",
	"a message about anything (RM-17)":                                             "MessageHeader",
	"not a record; the gateway makes its own":                                      "OperationOutcome",
	"a container of anything (OP-19)":                                              "Parameters",
	"links the records of one person over patients (RM-10)":                        "Person",
	"targets of several patients; who treated whom (RM-11)":                        "Provenance",
	"a definition; copies of it can be specific to one patient without naming him": "Questionnaire",
	"family data of a second person (RM-8)":                                        "RelatedPerson",
	"who is treated where (RM-4)":                                                  "Schedule Slot",
	"pushes data past the gateway (AS-5)":                                          "Subscription",
}

// r4Operations are the standard operations of R4 by what they do. None is sent to a source.
var r4Operations = byReason{
	"served in one form, put together from searches (OP-1, OP-3)": "everything lastn",
	"computes over any patient's data (OP-12)":                    "apply care-gaps collect-data evaluate-measure populate questionnaire submit-data",
	"terminology, no patient's data (OP-14)":                      "closure expand find-matches lookup snapshot subsumes translate validate-code",
	"about definitions, no patient's data":                        "conforms data-requirements implements preferred-id subset versions",
	"carries other interactions or formats (OP-13)":               "convert process-message transform",
	"collects over categories (OP-5)":                             "document",
	"filters by a list of anybody (OP-11)":                        "find",
	"joins resources of anybody (OP-6, OP-7)":                     "graph graphql",
	"aggregates over hidden rows (OP-4)":                          "stats",
	"finds patients across the population (OP-10)":                "match",
	"reads or changes labels (OP-8)":                              "meta meta-add meta-delete",
	"writes":                                                      "submit",
	"tells what exists (OP-9)":                                    "validate",
}
