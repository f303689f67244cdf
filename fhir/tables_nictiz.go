package fhir

// The parameters below are not standard: Nictiz defines them for the MedMij information standards (packages Nictiz-STU3-Zib2017 and
// Nictiz-R4-MedicationProcess), and Dutch sources support them. medication.code is a chain: it asks for the code of the Medication,
// which belongs to no patient but can be sensitive (Interaction.OfMedication). It is parsed as one name.

// stu3Nictiz are the parameters of the STU3 information standards: medication process 9, basic data for long-term care.
var stu3Nictiz = map[string]boundType{
	"CarePlan": {
		refs: refs{"activity-goal": "Goal", "activity-medicaldevice": "DeviceUseStatement", "activity-outcomereference": "*"},
	},
	"MedicationAdministration": {tokens: "category medication.code medicationtreatment"},
	"MedicationDispense":       {tokens: "category medication.code medicationtreatment", dates: "periodofuse requestdate"},
	"MedicationRequest":        {tokens: "medication.code medicationtreatment", dates: "periodofuse requestdate"},
	"MedicationStatement":      {tokens: "medication.code medicationtreatment"},
}

// r4Nictiz are the parameters of the R4 information standard: medication process 9 (3.0).
var r4Nictiz = map[string]boundType{
	"MedicationAdministration": {tokens: "category medication.code pharmaceutical-treatment-identifier"},
	"MedicationDispense": {
		tokens: "category medication.code pharmaceutical-treatment-identifier", dates: "period-of-use", refs: refs{"location": "Location"},
	},
	"MedicationRequest": {
		tokens: "medication.code pharmaceutical-treatment-identifier", dates: "period-of-use",
		refs: refs{
			"dispense-location": "Location", "next-practitioner": "HealthcareService Organization Practitioner PractitionerRole",
			"reason": "Condition DiagnosticReport Observation",
		},
	},
	"MedicationStatement": {
		tokens: "medication.code pharmaceutical-treatment-identifier", dates: "period-of-use",
		refs: refs{"author": "Location Organization Patient PractitionerRole", "prescriber": "Location Organization PractitionerRole"},
	},
}

// stu3NictizElements are the elements that the parameters of the STU3 information standards follow.
var stu3NictizElements = map[string]paramElements{
	"CarePlan": {
		"activity.detail.goal": "activity-goal", "activity.outcomeReference": "activity-outcomereference",
		"activity.detail.extension(http://nictiz.nl/fhir/StructureDefinition/extension-medicaldevice)": "activity-medicaldevice",
	},
}

// r4NictizElements are the elements that the parameters of the R4 information standard follow.
var r4NictizElements = map[string]paramElements{
	"MedicationDispense": {"location": "location"},
	"MedicationRequest": {
		"dispenseRequest.extension(http://nictiz.nl/fhir/StructureDefinition/ext-DispenseRequest.DispenseLocation)": "dispense-location",
		"extension(http://nictiz.nl/fhir/StructureDefinition/ext-MedicationAgreement.NextPractitioner)":             "next-practitioner",
		"reasonReference": "reason",
	},
	"MedicationStatement": {
		"extension(http://nictiz.nl/fhir/StructureDefinition/ext-MedicationUse2.Author)":     "author",
		"extension(http://nictiz.nl/fhir/StructureDefinition/ext-MedicationUse2.Prescriber)": "prescriber",
	},
}
