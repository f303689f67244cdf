package fhir

// stu3BoundFToZ are the served types of STU3, FamilyMemberHistory to VisionPrescription.
var stu3BoundFToZ = map[string]boundType{
	"FamilyMemberHistory": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "code gender identifier relationship status",
		dates:  "date",
		refs: refs{
			"definition": "PlanDefinition Questionnaire",
		},
	},
	"Flag": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier",
		dates:  "date",
		refs: refs{
			"author":    "Device Organization Patient Practitioner",
			"encounter": "Encounter EpisodeOfCare",
		},
	},
	"Goal": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category identifier status",
		dates:  "start-date target-date",
	},
	"ImagingManifest": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier",
		dates:  "authoring-time",
		uris:   "selected-study",
		refs: refs{
			"author":        "Device Organization Patient Practitioner RelatedPerson",
			"endpoint":      "Endpoint",
			"imaging-study": "ImagingStudy",
		},
	},
	"ImagingStudy": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "accession bodysite identifier modality reason",
		dates:  "started",
		uris:   "dicom-class series study uid",
		refs: refs{
			"basedon":   "CarePlan ProcedureRequest ReferralRequest",
			"context":   "Encounter EpisodeOfCare",
			"endpoint":  "Endpoint",
			"performer": "Practitioner",
		},
	},
	"Immunization": {
		member: "patient", bind: "patient", names: "patient",
		tokens:  "identifier notgiven reason reason-not-given status vaccine-code",
		dates:   "date reaction-date",
		strings: "lot-number",
		numbers: "dose-sequence",
		refs: refs{
			"location":     "Location",
			"manufacturer": "Organization",
			"practitioner": "Practitioner",
			"reaction":     "Observation",
		},
	},
	"ImmunizationRecommendation": {
		member: "patient", bind: "patient", names: "patient",
		tokens:  "identifier status target-disease vaccine-type",
		dates:   "date",
		numbers: "dose-number dose-sequence",
		refs: refs{
			"information": "AllergyIntolerance Observation",
			"support":     "Immunization",
		},
	},
	"Media": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier site subtype type view",
		dates:  "created date",
		refs: refs{
			"based-on": "ProcedureRequest",
			"context":  "Encounter EpisodeOfCare",
			"device":   "Device DeviceMetric",
			"operator": "Practitioner",
		},
	},
	"MedicationAdministration": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code identifier not-given reason-given reason-not-given status",
		dates:  "effective-time",
		refs: refs{
			"context":      "Encounter EpisodeOfCare",
			"device":       "Device",
			"medication":   "Medication",
			"performer":    "Device Patient Practitioner RelatedPerson",
			"prescription": "MedicationRequest",
		},
	},
	"MedicationDispense": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code identifier status type",
		dates:  "whenhandedover whenprepared",
		refs: refs{
			"context":          "Encounter EpisodeOfCare",
			"destination":      "Location",
			"medication":       "Medication",
			"performer":        "Device Organization Patient Practitioner RelatedPerson",
			"prescription":     "MedicationRequest",
			"receiver":         "Patient Practitioner",
			"responsibleparty": "Practitioner",
		},
	},
	"MedicationRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code identifier intent priority status",
		dates:  "authoredon date",
		refs: refs{
			"context":            "Encounter EpisodeOfCare",
			"intended-dispenser": "Organization",
			"medication":         "Medication",
			"requester":          "Device Organization Patient Practitioner RelatedPerson",
		},
	},
	"MedicationStatement": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code identifier status",
		dates:  "effective",
		refs: refs{
			"context":    "Encounter EpisodeOfCare",
			"medication": "Medication",
			"part-of":    "MedicationAdministration MedicationDispense MedicationStatement Observation Procedure",
			"source":     "Organization Patient Practitioner RelatedPerson",
		},
	},
	"NutritionOrder": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "additive formula identifier oraldiet status supplement",
		dates:  "datetime",
		refs: refs{
			"encounter": "Encounter EpisodeOfCare",
			"provider":  "Practitioner",
		},
	},
	"Observation": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "" +
			"category code combo-code combo-data-absent-reason combo-value-concept component-code " +
			"component-data-absent-reason component-value-concept data-absent-reason identifier method related-type " +
			"status value-concept",
		dates:      "date value-date",
		strings:    "value-string",
		quantities: "combo-value-quantity component-value-quantity value-quantity",
		composites: "" +
			"code-value-concept code-value-date code-value-quantity code-value-string combo-code-value-concept " +
			"combo-code-value-quantity component-code-value-concept component-code-value-quantity related",
		refs: refs{
			"based-on": "" +
				"CarePlan DeviceRequest ImmunizationRecommendation MedicationRequest NutritionOrder ProcedureRequest " +
				"ReferralRequest",
			"context":        "Encounter EpisodeOfCare",
			"device":         "Device DeviceMetric",
			"encounter":      "Encounter EpisodeOfCare",
			"performer":      "Organization Patient Practitioner RelatedPerson",
			"related-target": "Observation QuestionnaireResponse Sequence",
			"specimen":       "Specimen",
		},
	},
	"Patient": {
		bind:     "_id",
		includes: refs{"general-practitioner": "Organization Practitioner", "organization": "Organization"},
		refused: byReason{"finds patients across the population (SE-13)": "" +
			"active address address-city address-country address-postalcode address-state address-use animal-breed " +
			"animal-species birthdate death-date deceased email family gender given language link name phone phonetic " +
			"telecom"},
	},
	"Procedure": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code identifier status",
		dates:  "date",
		refs: refs{
			"based-on":   "CarePlan ProcedureRequest ReferralRequest",
			"context":    "Encounter EpisodeOfCare",
			"definition": "ActivityDefinition HealthcareService PlanDefinition",
			"encounter":  "Encounter EpisodeOfCare",
			"location":   "Location",
			"part-of":    "MedicationAdministration Observation Procedure",
			"performer":  "Device Organization Patient Practitioner RelatedPerson",
		},
	},
	"ProcedureRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "body-site code identifier intent performer-type priority requisition status",
		dates:  "authored occurrence",
		refs: refs{
			"based-on":   "*",
			"context":    "Encounter EpisodeOfCare",
			"definition": "ActivityDefinition PlanDefinition",
			"encounter":  "Encounter EpisodeOfCare",
			"performer":  "Device HealthcareService Organization Patient Practitioner RelatedPerson",
			"replaces":   "*",
			"requester":  "Device Organization Practitioner",
			"specimen":   "Specimen",
		},
	},
	"QuestionnaireResponse": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier status",
		dates:  "authored",
		refs: refs{
			"author":        "Device Patient Practitioner RelatedPerson",
			"based-on":      "CarePlan ProcedureRequest ReferralRequest",
			"context":       "Encounter EpisodeOfCare",
			"parent":        "Observation Procedure",
			"questionnaire": "Questionnaire",
			"source":        "Patient Practitioner RelatedPerson",
		},
	},
	"ReferralRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "group-identifier identifier intent priority service specialty status type",
		dates:  "authored-on occurrence-date",
		refs: refs{
			"based-on":   "CarePlan ProcedureRequest ReferralRequest",
			"context":    "Encounter EpisodeOfCare",
			"definition": "ActivityDefinition PlanDefinition",
			"encounter":  "Encounter",
			"recipient":  "HealthcareService Organization Practitioner",
			"replaces":   "ReferralRequest",
			"requester":  "Device Organization Patient Practitioner RelatedPerson",
		},
	},
	"RequestGroup": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "group-identifier identifier intent priority status",
		dates:  "authored",
		refs: refs{
			"author":      "Device Practitioner",
			"context":     "Encounter EpisodeOfCare",
			"definition":  "*",
			"encounter":   "Encounter",
			"participant": "Patient Person Practitioner RelatedPerson",
		},
	},
	"RiskAssessment": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens:  "identifier method risk",
		dates:   "date",
		numbers: "probability",
		refs: refs{
			"condition": "Condition",
			"encounter": "Encounter EpisodeOfCare",
			"performer": "Device Practitioner",
		},
	},
	"Sequence": { // the same
		member: "patient", bind: "patient", names: "patient",
		tokens:     "chromosome identifier type",
		numbers:    "end start",
		composites: "coordinate",
	},
	"Specimen": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "accession bodysite container container-id identifier status type",
		dates:  "collected",
		refs: refs{
			"collector": "Practitioner",
			"parent":    "Specimen",
		},
	},
	"SupplyDelivery": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status",
		refs: refs{
			"receiver": "Practitioner",
			"supplier": "Organization Practitioner",
		},
	},
	"VisionPrescription": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier",
		dates:  "datewritten",
		refs: refs{
			"encounter":  "Encounter EpisodeOfCare",
			"prescriber": "Practitioner",
		},
	},
}
