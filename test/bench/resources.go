package main

import (
	"fmt"

	"zorgsluis/internal/demo"
)

// patient renders a Patient of 2 kB, in the shape of nl-core.
func patient(p demo.Person, n int) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":"%[1]s","meta":{"versionId":"3","lastUpdated":"2026-10-01T06:00:00.000+02:00",`+
		`"profile":["http://nictiz.nl/fhir/StructureDefinition/nl-core-Patient"]},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">`+
		`<table><tbody><tr><td>Name</td><td>%[2]s</td></tr><tr><td>Birth date</td><td>%[4]d-06-15</td></tr></tbody></table></div>"},`+
		`"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-nationality","extension":[{"url":"code","valueCodeableConcept":`+
		`{"coding":[{"system":"urn:oid:2.16.840.1.113883.2.4.4.16.32","code":"0001","display":"Nederlandse"}]}}]}],`+
		`"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"%[3]s"},{"use":"usual","system":"urn:oid:2.16.840.1.113883.2.4.3.11.999.7.6","value":"MRN-%06[5]d"}],`+
		`"active":true,"name":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/humanname-assembly-order","valueCode":"NL1"}],"use":"official",`+
		`"text":"%[2]s","family":"%[2]s","_family":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/humanname-own-name","valueString":"%[2]s"}]},`+
		`"given":["Johanna","P."],"_given":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier","valueCode":"BR"}]},null]}],`+
		`"telecom":[{"system":"phone","value":"+31611234567","use":"mobile"},{"system":"email","value":"patient-%[5]d@example.nl","use":"home"}],"gender":"female",`+
		`"birthDate":"%[4]d-06-15","deceasedBoolean":false,"address":[{"use":"home","type":"both","line":["Hoofdstraat %[5]d"],"city":"Utrecht","postalCode":"3500 AA","country":"NL"}],`+
		`"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"Married"}]},"multipleBirthBoolean":false,`+
		`"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"nl-NL","display":"Nederlands"}]},"preferred":true}]}`,
		p.PatientID, p.Name, p.BSN, 1940+n%60, n+1)
}

// observation renders a blood pressure or a laboratory result of 2 kB, with components, narrative, extensions and a contained
// resource, so that the filter passes all kinds of members.
func observation(id, patient string, m int) string {
	category, code := "vital-signs", `{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel with all children optional"}`
	if m%2 == 1 {
		category, code = "laboratory", `{"system":"http://loinc.org","code":"24323-8","display":"Comprehensive metabolic 2000 panel - Serum or Plasma"}`
	}
	component := func(loinc, display string, value float64, unit string) string {
		return fmt.Sprintf(`{"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"%s"}]},"valueQuantity":{"value":%.2f,"unit":"%s",`+
			`"system":"http://unitsofmeasure.org","code":"%s"},"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N"}]}]}`,
			loinc, display, value, unit, unit)
	}
	return fmt.Sprintf(`{"resourceType":"Observation","id":"%[1]s","meta":{"versionId":"1","lastUpdated":"2026-10-%02[2]dT06:00:00.000+02:00"},`+
		`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Gemeten in rust, zittend &#8212; geen bijzonderheden.</p></div>"},`+
		`"contained":[{"resourceType":"Practitioner","id":"nurse","name":[{"use":"official","family":"Jansen","prefix":["mw."]}]}],`+
		`"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/observation-bodyPosition","valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"33586001"}]}}],`+
		`"identifier":[{"system":"urn:oid:2.16.840.1.113883.2.4.3.11.999.7.1","value":"%[1]s"}],"status":"final",`+
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"%[3]s"}]}],"code":{"coding":[%[4]s]},`+
		`"subject":{"reference":"Patient/%[5]s"},"effectiveDateTime":"2026-09-%02[2]dT08:30:00+02:00","_effectiveDateTime":{"extension":[{"url":"http://example.org/precision","valueCode":"minute"}]},`+
		`"issued":"2026-09-%02[2]dT09:15:00.000+02:00","note":[{"text":"Herhalen over drie maanden."}],"performer":[{"reference":"#nurse","display":"mw. Jansen"},{"reference":"Organization/lab-1","display":"Klinisch laboratorium"}],"component":[%[6]s,%[7]s]}`,
		id, 1+m%28, category, code, patient,
		component("8480-6", "Systolic blood pressure", 110+float64(m), "mm[Hg]"), component("8462-4", "Diastolic blood pressure", 70+float64(m)/2, "mm[Hg]"))
}
