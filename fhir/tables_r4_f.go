package fhir

// r4BoundFToZ are the served types of R4, FamilyMemberHistory to VisionPrescription.
var r4BoundFToZ = map[string]boundType{
	"FamilyMemberHistory": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "code identifier relationship sex status", dates: "date", uris: "instantiates-canonical instantiates-uri",
	},
	"Flag": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier", dates: "date",
		refs: refs{
			"author": "Device Organization Patient Practitioner PractitionerRole", "encounter": "Encounter EpisodeOfCare",
		},
	},
	"Goal": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "achievement-status category identifier lifecycle-status", dates: "start-date target-date",
	},
	"ImagingStudy": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "bodysite dicom-class identifier instance modality reason series status", dates: "started",
		refs: refs{
			"basedon": "Appointment AppointmentResponse CarePlan ServiceRequest Task", "encounter": "Encounter",
			"endpoint": "Endpoint", "interpreter": "Practitioner PractitionerRole",
			"performer": "CareTeam Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"referrer":  "Practitioner PractitionerRole",
		},
	},
	"Immunization": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier reason-code status status-reason target-disease vaccine-code", dates: "date reaction-date",
		strings: "lot-number series",
		refs: refs{
			"location": "Location", "manufacturer": "Organization",
			"performer": "Organization Practitioner PractitionerRole", "reaction": "Observation",
			"reason-reference": "Condition DiagnosticReport Observation",
		},
	},
	"ImmunizationEvaluation": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "dose-status identifier status target-disease", dates: "date",
		refs: refs{
			"immunization-event": "Immunization",
		},
	},
	"ImmunizationRecommendation": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status target-disease vaccine-type", dates: "date",
		refs: refs{
			"information": "*", "support": "Immunization ImmunizationEvaluation",
		},
	},
	"Invoice": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier participant-role status type", dates: "date", quantities: "totalgross totalnet",
		refs: refs{
			"account": "Account", "issuer": "Organization",
			"participant": "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"recipient":   "Organization Patient RelatedPerson",
		},
	},
	"Media": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier modality site status type view", dates: "created",
		refs: refs{
			"based-on": "CarePlan ServiceRequest", "device": "Device DeviceMetric", "encounter": "Encounter",
			"operator": "CareTeam Device Organization Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"MedicationAdministration": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code identifier reason-given reason-not-given status", dates: "effective-time",
		refs: refs{
			"context": "Encounter EpisodeOfCare", "device": "Device", "medication": "Medication",
			"performer": "Device Patient Practitioner PractitionerRole RelatedPerson", "request": "MedicationRequest",
		},
	},
	"MedicationDispense": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code identifier status type", dates: "whenhandedover whenprepared",
		refs: refs{
			"context": "Encounter EpisodeOfCare", "destination": "Location", "medication": "Medication",
			"performer":    "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"prescription": "MedicationRequest", "receiver": "Patient Practitioner",
			"responsibleparty": "Practitioner PractitionerRole",
		},
	},
	"MedicationRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code identifier intended-performertype intent priority status", dates: "authoredon date",
		refs: refs{
			"encounter": "Encounter", "intended-dispenser": "Organization",
			"intended-performer": "CareTeam Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"medication":         "Medication",
			"requester":          "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"MedicationStatement": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code identifier status", dates: "effective",
		refs: refs{
			"context": "Encounter EpisodeOfCare", "medication": "Medication",
			"part-of": "MedicationAdministration MedicationDispense MedicationStatement Observation Procedure",
			"source":  "Organization Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"MolecularSequence": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "chromosome identifier referenceseqid type", numbers: "variant-end variant-start window-end window-start",
		composites: "chromosome-variant-coordinate chromosome-window-coordinate referenceseqid-variant-coordinate " +
			"referenceseqid-window-coordinate",
	},
	"NutritionOrder": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "additive formula identifier oraldiet status supplement", dates: "datetime",
		uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"encounter": "Encounter EpisodeOfCare", "provider": "Practitioner PractitionerRole",
		},
	},
	"Observation": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code combo-code combo-data-absent-reason combo-value-concept component-code component-data-absent-reason " +
			"component-value-concept data-absent-reason identifier method status value-concept",
		dates: "date value-date", strings: "value-string",
		quantities: "combo-value-quantity component-value-quantity value-quantity",
		composites: "code-value-concept code-value-date code-value-quantity code-value-string combo-code-value-concept " +
			"combo-code-value-quantity component-code-value-concept component-code-value-quantity",
		refs: refs{
			"based-on":     "CarePlan DeviceRequest ImmunizationRecommendation MedicationRequest NutritionOrder ServiceRequest",
			"derived-from": "DocumentReference ImagingStudy Media MolecularSequence Observation QuestionnaireResponse",
			"device":       "Device DeviceMetric", "encounter": "Encounter EpisodeOfCare", "focus": "*",
			"has-member": "MolecularSequence Observation QuestionnaireResponse",
			"part-of":    "ImagingStudy Immunization MedicationAdministration MedicationDispense MedicationStatement Procedure",
			"performer":  "CareTeam Organization Patient Practitioner PractitionerRole RelatedPerson", "specimen": "Specimen",
		},
	},
	"Patient": {
		bind:     "_id",
		includes: refs{"general-practitioner": "Organization Practitioner PractitionerRole", "organization": "Organization"},
		refused: byReason{
			"finds patients across the population (SE-13)": "" +
				"active address address-city address-country address-postalcode address-state address-use birthdate death-date " +
				"deceased email family gender given language link name phone phonetic telecom",
		},
	},
	"Procedure": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "category code identifier reason-code status", dates: "date", uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"based-on": "CarePlan ServiceRequest", "encounter": "Encounter EpisodeOfCare", "location": "Location",
			"part-of":          "MedicationAdministration Observation Procedure",
			"performer":        "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"reason-reference": "Condition DiagnosticReport DocumentReference Observation Procedure",
		},
	},
	"QuestionnaireResponse": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier status", dates: "authored", uris: "questionnaire",
		refs: refs{
			"author":   "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"based-on": "CarePlan ServiceRequest", "encounter": "Encounter", "part-of": "Observation Procedure",
			"source": "Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"RequestGroup": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "code group-identifier identifier intent priority status", dates: "authored",
		uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"author": "Device Practitioner PractitionerRole", "encounter": "Encounter",
			"participant": "Device Patient Practitioner PractitionerRole RelatedPerson",
		},
	},
	"RiskAssessment": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "identifier method risk", dates: "date", numbers: "probability",
		refs: refs{
			"condition": "Condition", "encounter": "Encounter EpisodeOfCare",
			"performer": "Device Practitioner PractitionerRole",
		},
	},
	"ServiceRequest": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "body-site category code identifier intent performer-type priority requisition status",
		dates:  "authored occurrence", uris: "instantiates-canonical instantiates-uri",
		refs: refs{
			"based-on": "CarePlan MedicationRequest ServiceRequest", "encounter": "Encounter EpisodeOfCare",
			"performer": "CareTeam Device HealthcareService Organization Patient Practitioner PractitionerRole RelatedPerson",
			"replaces":  "ServiceRequest",
			"requester": "Device Organization Patient Practitioner PractitionerRole RelatedPerson", "specimen": "Specimen",
		},
	},
	"Specimen": {
		member: "subject", bind: "patient", names: "patient subject",
		tokens: "accession bodysite container container-id identifier status type", dates: "collected",
		refs: refs{
			"collector": "Practitioner PractitionerRole", "parent": "Specimen",
		},
	},
	"SupplyDelivery": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status",
		refs: refs{
			"receiver": "Practitioner PractitionerRole", "supplier": "Organization Practitioner PractitionerRole",
		},
	},
	"SupplyRequest": {
		member: "deliverTo", bind: "subject", names: "subject",
		tokens: "category identifier status", dates: "date",
		refs: refs{
			"requester": "Device Organization Patient Practitioner PractitionerRole RelatedPerson",
			"supplier":  "HealthcareService Organization",
		},
	},
	"VisionPrescription": {
		member: "patient", bind: "patient", names: "patient",
		tokens: "identifier status", dates: "datewritten",
		refs: refs{
			"encounter": "Encounter EpisodeOfCare", "prescriber": "Practitioner PractitionerRole",
		},
	},
}
