package fhir_test

import (
	"reflect"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// bound is a search of Observations that names patient A and has one more parameter.
func bound(query string) fhir.Request { return get("Observation?patient=A&" + query) }

func TestPatientsAreNamedOnce(t *testing.T) {
	t.Parallel()
	const malformed, notSupported = fhir.Malformed, fhir.NotSupported
	checkRefusals(t, []refusal{
		{"SE-3 two patients as alternatives", get("Observation?patient=A,B"), malformed, "patient"},
		{"SE-4 two patients", get("Observation?patient=A&patient=B"), malformed, "patient"},
		{"SE-4 one patient twice", get("Observation?patient=A&patient=A"), malformed, "patient"},
		{"SE-5 two parameters for one path", get("Observation?subject=Patient/B&patient=A"), malformed, "patient"},
		{"SE-5 the other way round", get("Observation?patient=A&subject=Patient/B"), malformed, "subject"},
		{"SE-5 two that agree", get("Observation?patient=A&subject=Patient/A"), malformed, "subject"},
		{"SE-5 beneficiary and patient", get("Coverage?beneficiary=A&patient=B"), malformed, "patient"},
		{"SE-6 with a modifier", get("Observation?patient=A&subject:Patient=B"), malformed, "subject:Patient"},
		{"SE-7 an id and an identifier", get("Observation?patient=A&patient.identifier=" + bsnToken), malformed, "patient.identifier"},
		{"SE-7 an identifier twice", get("Observation?patient:identifier=" + bsnToken + "&subject:identifier=" + bsnToken), malformed, "subject:identifier"},
		{"SE-7 two identifiers as alternatives", get("Observation?patient.identifier=a|1,b|2"), malformed, "patient.identifier"},
		{"SE-7 a value without a system", get("Observation?patient.identifier=999990019"), malformed, "patient.identifier"},
		{"SE-7 an empty system", get("Observation?patient.identifier=|999990019"), malformed, "patient.identifier"},
		{"SE-7 an empty value", get("Observation?patient.identifier=" + bsnSystem + "|"), malformed, "patient.identifier"},
		{"SE-7 three parts", get("Observation?patient.identifier=a|b|c"), malformed, "patient.identifier"},
		{"SE-7 a composite", get("Observation?patient.identifier=a|b$c"), malformed, "patient.identifier"},
		{"SE-7 a space in the system", get("Observation?patient.identifier=a+b|c"), malformed, "patient.identifier"},
		{"SE-7 a space after the value", get("Observation?patient.identifier=a|c%20"), malformed, "patient.identifier"},
		{"SE-7 an escape that there is not", get(`Observation?patient.identifier=a|c\d`), malformed, "patient.identifier"},
		{"SE-7 an escape in the system that there is not", get(`Observation?patient.identifier=a\d|c`), malformed, "patient.identifier"},
		{"SE-7 an escape of nothing", get(`Observation?patient.identifier=a|c\`), malformed, "patient.identifier"},
		{"SE-8 an absolute reference", get("Observation?patient=http://other.example/fhir/Patient/A"), malformed, "patient"},
		{"SE-8 even to this base", get("Observation?patient=https://gw.example/fhir/Patient/A"), malformed, "patient"},
		{"SE-9 a version", get("Observation?patient=Patient/A/_history/1"), malformed, "patient"},
		{"SE-9 a space", get("Observation?patient=A%20"), malformed, "patient"},
		{"SE-9 a NUL", get("Observation?patient=A%00"), malformed, "patient"},
		{"SE-9 an escaped comma", get(`Observation?patient=A\,B`), malformed, "patient"},
		{"SE-9 the type twice", get("Observation?patient=Patient/Patient/A"), malformed, "patient"},
		{"SE-9 the type in another case", get("Observation?patient=patient/A"), malformed, "patient"},
		{"SE-9 dots", get("Observation?patient=Patient/.."), malformed, "patient"},
		{"RF-10 a letter that is not ASCII", get("Observation?patient=%CE%91"), malformed, "patient"},
		{"RM-13 a subject that is a Group", get("Observation?subject=Group/A"), malformed, "subject"},
		{"SE-6 a reference under a modifier", get("Observation?subject:Patient=Patient/A"), malformed, "subject:Patient"},
		{"SE-6 another type as modifier", get("Observation?subject:Group=A"), notSupported, "subject:Group"},
		{"SE-10 a missing patient", get("Observation?patient:missing=true"), notSupported, "patient:missing"},
		{"SE-10 a missing subject", get("Observation?subject:missing=true"), notSupported, "subject:missing"},
		{"SE-11 another patient than B", get("Observation?patient:not=B"), notSupported, "patient:not"},
		{"SE-13 a patient by name", get("Patient?name=jansen"), notSupported, "name"},
		{"SE-13 by date of birth", get("Patient?_id=A&birthdate=1970-01-01"), notSupported, "birthdate"},
		{"SE-14 a Patient by a value", get("Patient?identifier=999990019"), malformed, "identifier"},
		{"SE-14 by id and identifier", get("Patient?_id=A&identifier=" + bsnToken), malformed, "identifier"},
		{"SE-15 Patients by ids", get("Patient?_id=A,B,C"), malformed, "_id"},
		{"SE-15 by ids apart", get("Patient?_id=A&_id=B"), malformed, "_id"},
		{"SE-15 by reference", get("Patient?_id=Patient/A"), malformed, "_id"},
		{"a Patient is not named by a patient parameter", get("Patient?patient=A"), notSupported, "patient"},
		{"an AdverseEvent has no patient parameter", get("AdverseEvent?patient=A"), notSupported, "patient"},
		{"OR-3 the identifier of a patient's patient", get("Patient?identifier.identifier=a|b"), notSupported, "identifier.identifier"},
		{"a second person as performer", bound("performer=Patient/B"), malformed, "performer"},
		{"a second person as focus", bound("focus=Patient/B"), malformed, "focus"},
		{"a performer without a type could be a Patient", bound("performer=B"), malformed, "performer"},
		{"a person by BSN where no patient is named", bound("identifier=" + bsnToken), malformed, "identifier"},
		{"and under a name of the system that is written otherwise", bound("code=HTTPS://fhir.nl/fhir/NamingSystem/bsn/|999999990"), malformed, "code"},
		{"and under its OID", bound("code=URN:OID:2.16.840.1.113883.2.4.6.3|999999990"), malformed, "code"},
		{"a person by the OID of the BSN", bound("identifier=urn:oid:2.16.840.1.113883.2.4.6.3|999990019"), malformed, "identifier"},
	})
}

func TestGrammarIsClosed(t *testing.T) {
	t.Parallel()
	const malformed, notSupported, tooLong = fhir.Malformed, fhir.NotSupported, fhir.TooLong
	checkRefusals(t, []refusal{
		{"SE-11 a code that is not", bound("code:not=a"), notSupported, "code:not"},
		{"SE-11 a category that is not in", bound("category:not-in=a"), notSupported, "category:not-in"},
		{"SE-11 an id that is not", bound("_id:not=x"), notSupported, "_id:not"},
		{"SE-12 a typing error", get("Observation?pateint=A"), notSupported, "pateint"},
		{"SE-20 elements", bound("_elements=id"), notSupported, "_elements"},
		{"SE-20 all but an element", bound("_elements:exclude=subject"), notSupported, "_elements:exclude"},
		{"SE-20 a summary", bound("_summary=true"), notSupported, "_summary"},
		{"SE-21 contained resources", bound("_contained=true"), notSupported, "_contained"},
		{"SE-21 the containing ones", bound("_containedType=contained"), notSupported, "_containedType"},
		{"SE-22 a list", bound("_list=42"), notSupported, "_list"},
		{"SE-23 a named query", bound("_query=custom"), notSupported, "_query"},
		{"SE-23 text", bound("_text=a"), notSupported, "_text"},
		{"SE-23 content", bound("_content=hiv"), notSupported, "_content"},
		{"SE-23 a filter", bound("_filter=a"), notSupported, "_filter"},
		{"SE-24 a source", bound("_source=a"), notSupported, "_source"},
		{"SE-24 a tag", bound("_tag=a"), notSupported, "_tag"},
		{"SE-24 a profile", bound("_profile=a"), notSupported, "_profile"},
		{"SE-24 a label", bound("_security=R"), notSupported, "_security"},
		{"SE-24 no label", bound("_security:not=R"), notSupported, "_security:not"},
		{"SE-25 a value set", bound("code:in=http://evil.example/ValueSet/x"), notSupported, "code:in"},
		{"SE-25 above", bound("code:above=a"), notSupported, "code:above"},
		{"SE-25 below", bound("code:below=a"), notSupported, "code:below"},
		{"SE-25 text", bound("code:text=a"), notSupported, "code:text"},
		{"SE-25 of type", bound("identifier:of-type=a|b|c"), notSupported, "identifier:of-type"},
		{"SE-25 missing", bound("code:missing=true"), notSupported, "code:missing"},
		{"SE-25 exact", bound("value-string:exact=a"), notSupported, "value-string:exact"},
		{"SE-25 the identifier of another than the patient", bound("performer:identifier=a|b"), notSupported, "performer:identifier"},
		{"SE-25 an empty modifier", get("Observation?patient:=A"), notSupported, "patient:"},
		{"SE-26 a type", bound("_type=Observation"), notSupported, "_type"},
		{"SE-26 a graph", bound("_graph=a"), notSupported, "_graph"},
		{"SE-26 _expunge", bound("_expunge=true"), notSupported, "_expunge"},
		{"SE-26 _cascade", bound("_cascade=delete"), notSupported, "_cascade"},
		{"PG-1 _getpages", bound("_getpages=a"), notSupported, "_getpages"},
		{"PG-1 _offset", bound("_offset=20"), notSupported, "_offset"},
		{"PG-1 ct", bound("ct=a"), notSupported, "ct"},
		{"SE-28 a parameter of the source's own", bound("x-diagnosis=a"), notSupported, "x-diagnosis"},
		{"a composite", bound("code-value-quantity=a$b"), notSupported, "code-value-quantity"},
		{"a parameter of another type", bound("onset-date=2020"), notSupported, "onset-date"},
		{"BI-8 the address of an attachment", get("DocumentReference?location=a"), notSupported, "location"},
		{"HT-10 another case", get("Observation?Patient=B"), notSupported, "Patient"},
		{"HT-10 upper case", get("Observation?PATIENT=B"), notSupported, "PATIENT"},

		{"SE-29 a long query", get("Observation?code=" + strings.Repeat("a,", 5000)), tooLong, ""},
		{"SE-29 a long body", post("Observation/_search", strings.Repeat("a", 9000)), tooLong, ""},
		{"SE-29 a long value", get("Observation?code=" + strings.Repeat("a", 2049)), tooLong, "code"},
		{"SE-29 many values", bound("code=" + strings.Repeat("a,", 100) + "a"), tooLong, "code"},
		{"SE-29 many parameters", get("Observation?" + strings.Repeat("code=a&", 50) + "code=a"), tooLong, ""},
		{"SE-29 a query that is long once it is escaped", get("Condition?" + strings.Repeat("onset-info="+strings.Repeat("(", 1500)+"&", 2) + "patient=A"), tooLong, ""},
		{"SE-29 many sort keys", bound("_sort=a,b,c,d,e,f"), tooLong, "_sort"},

		{"IN-5 iterate over everything", bound("_include:iterate=*"), notSupported, "_include:iterate"},
		{"IN-5 recurse into everything", bound("_include:recurse=Observation:*"), notSupported, "_include:iterate"},
		{"IN-5 iterate to a type that is not served", bound("_include:iterate=Observation:subject:Group"), notSupported, "_include:iterate"},
		{"IN-5 iterate from a type that is not served", bound("_include:iterate=Group:member"), notSupported, "_include:iterate"},
		{"IN-5 iterate from nothing", bound("_include:iterate=Nothing:subject"), notSupported, "_include:iterate"},
		{"IN-5 iterate by what is no reference", bound("_include:iterate=Observation:code"), notSupported, "_include:iterate"},
		{"IN-5 iterate by a reference that there is not", bound("_include:iterate=Practitioner:name"), notSupported, "_include:iterate"},
		{"IN-5 iterate into a shared type that its parameter does not name", bound("_include:iterate=PractitionerRole:practitioner:Organization"), notSupported, "_include:iterate"},
		{"IN-5 iterate too often", bound(strings.Repeat("_include:iterate=Observation:subject&", 10) + "_include:recurse=Observation:subject"), fhir.TooLong, "_include:recurse"},
		{"IN-5 iterate backwards", bound("_revinclude:iterate=Observation:has-member"), notSupported, "_revinclude:iterate"},
		{"IN-6 everything", bound("_include=*"), notSupported, "_include"},
		{"IN-6 everything backwards", bound("_revinclude=*"), notSupported, "_revinclude"},
		{"IN-6 all references of a type", bound("_include=Observation:*"), notSupported, "_include"},
		{"IN-6 all references to a type", bound("_revinclude=Observation:*"), notSupported, "_revinclude"},
		{"IN-6 a Patient as target", bound("_include=Observation:subject:Patient"), notSupported, "_include"},
		{"IN-6 a Patient as target on patient", bound("_include=Observation:patient:Patient"), notSupported, "_include"},
		{"RM-20 other records of a patient", get("Patient?_id=A&_include=Patient:link"), notSupported, "_include"},
		{"SE-13 the patients of a practitioner", get("Patient?general-practitioner=Practitioner/p"), notSupported, "general-practitioner"},
		{"an include without a parameter", bound("_include=Observation"), notSupported, "_include"},
		{"an include of another type", bound("_include=Condition:encounter"), notSupported, "_include"},
		{"an include of what is no reference", bound("_include=Observation:code"), notSupported, "_include"},
		{"BI-13 an include of a type that is refused", get("ImagingStudy?patient=A&_include=ImagingStudy:endpoint"), notSupported, "_include"},
		{"an include narrowed to a type that is refused", bound("_include=Observation:performer:RelatedPerson"), notSupported, "_include"},
		{"an include narrowed to a type that the parameter does not take", bound("_include=Observation:performer:Location"), notSupported, "_include"},
		{"an include narrowed twice", bound("_include=Observation:performer:Practitioner:x"), notSupported, "_include"},
		{"IN-7 who treated", bound("_revinclude=Provenance:target"), notSupported, "_revinclude"},
		{"IN-7 who looked", bound("_revinclude=AuditEvent:entity"), notSupported, "_revinclude"},
		{"IN-4 another's Observation about A", get("Patient?_id=A&_revinclude=Observation:focus"), notSupported, "_revinclude"},
		{"IN-4 performed by A", get("Patient?_id=A&_revinclude=Observation:performer"), notSupported, "_revinclude"},
		{"IN-4 narrowed", get("Patient?_id=A&_revinclude=Observation:patient:Patient"), notSupported, "_revinclude"},
		{"a reverse include that cannot refer to the type", bound("_revinclude=Observation:encounter"), notSupported, "_revinclude"},
		{"a reverse include narrowed to another type", bound("_revinclude=DiagnosticReport:result:Media"), notSupported, "_revinclude"},
		{"a reverse include from no type", bound("_revinclude=Nothing:result"), notSupported, "_revinclude"},
		{"a reverse include from a shared type", get("Location?_revinclude=PractitionerRole:location"), fhir.NoOperation, "Location"},

		{"OR-1 a reverse chain", get("Patient?_id=A&_has:Observation:patient:code-value-quantity=a"), notSupported, "_has:Observation:patient:code-value-quantity"},
		{"OR-2 nested", get("Patient?_id=A&_has:A:b:_has:C:d:e=a"), notSupported, "_has:A:b:_has:C:d:e"},
		{"OR-3 a chain on the patient", get("Observation?patient.birthdate=1970-01-01"), notSupported, "patient.birthdate"},
		{"OR-3 a chain with a type", get("Observation?subject:Patient.name=a"), notSupported, "subject:Patient.name"},
		{"OR-3 the identifier chain with a type", get("Observation?subject:Patient.identifier=" + bsnToken), notSupported, "subject:Patient.identifier"},
		{"OR-3 a chain on an encounter", get("Observation?encounter.type=a"), notSupported, "encounter.type"},
		{"OR-3 the identifier of an encounter", get("Observation?encounter.identifier=a|b"), notSupported, "encounter.identifier"},
		{"OR-3 a chain of two", get("Observation?performer.organization=a"), notSupported, "performer.organization"},
		{"OR-3 an escaped dot", get("Observation?patient%2Ebirthdate=1970"), notSupported, "patient.birthdate"},
		{"OR-5 sorted by a value", bound("_sort=-value-quantity"), notSupported, "_sort"},
		{"OR-5 sorted by date of birth", get("Patient?_id=A&_sort=birthdate"), notSupported, "_sort"},
		{"OR-5 sorted by a chain", bound("_sort=patient.name"), notSupported, "_sort"},
		{"OR-5 sorted by nothing", bound("_sort=date,"), notSupported, "_sort"},
		{"OR-5 sorted by one key twice", bound("_sort=date,-date"), malformed, "_sort"},
		{"OR-5 sorted twice", bound("_sort=date&_sort=_id"), malformed, "_sort"},
		{"OR-6 a count", bound("_summary=count"), notSupported, "_summary"},
		{"OR-6 a total", bound("_total=accurate"), notSupported, "_total"},
		{"OR-6 a page of none", bound("_count=0"), malformed, "_count"},
		{"a page that is too large", bound("_count=501"), malformed, "_count"},
		{"a page of a great many", bound("_count=18446744073709551617"), malformed, "_count"},
		{"a page with a zero first", bound("_count=05"), malformed, "_count"},
		{"a page with a sign", bound("_count=-5"), malformed, "_count"},
		{"two pages", bound("_count=5&_count=6"), malformed, "_count"},

		{"HT-9 a semicolon", get("Observation?patient=A;patient=B"), malformed, "patient"},
		{"HT-9 an HTML escape", get("Observation?patient=A&amp;patient=B"), malformed, ""},
		{"HT-9 an escaped ampersand", get("Observation?patient=A%26patient=B"), malformed, "patient"},
		{"HT-9 brackets", get("Observation?patient%5B%5D=B"), notSupported, ""},
		{"HT-9 a space in the name", get("Observation?patient%20=B"), notSupported, ""},
		{"HT-9 an empty value", get("Observation?patient="), malformed, "patient"},
		{"HT-9 an empty name", get("Observation?=B"), malformed, ""},
		{"HT-9 no equals sign", get("Observation?patient"), malformed, ""},
		{"HT-9 ampersands", get("Observation?&&"), malformed, ""},
		{"HT-9 an ampersand at the end", get("Observation?patient=A&"), malformed, ""},
		{"HT-9 line ends", get("Observation?patient=A%0d%0aX:%20y"), malformed, "patient"},
		{"HT-9 a delete", bound("value-string=%7f"), malformed, "value-string"},
		{"HT-9 a control of C1", bound("value-string=%C2%85"), malformed, "value-string"},
		{"HT-9 an overlong form", bound("value-string=%C0%AF"), malformed, "value-string"},
		{"HT-9 a surrogate", bound("value-string=%ED%A0%80"), malformed, "value-string"},
		{"HT-9 an escape of old browsers", bound("value-string=%u0042"), malformed, "value-string"},
		{"HT-9 an escape of no digits", bound("value-string=%zz"), malformed, "value-string"},
		{"HT-9 half an escape", bound("value-string=%4"), malformed, "value-string"},
		{"HT-9 a bad escape in the name", bound("value%zz=a"), malformed, ""},
		{"HT-9 a raw space", bound("value-string=a b"), malformed, "value-string"},
		{"HT-9 a raw letter that is not ASCII", bound("value-string=é"), malformed, "value-string"},
		{"HT-12 a fragment", bound("value-string=a#b"), malformed, "value-string"},
		{"HT-5 a method in the query", bound("_method=DELETE"), notSupported, "_method"},
		{"TK-13 a token in the query", bound("access_token=a"), notSupported, "access_token"},

		{"PG-1 a cursor with a parameter", get("Observation?_cursor=abc&patient=A"), malformed, "_cursor"},
		{"PG-1 a parameter with a cursor", get("Observation?patient=A&_cursor=abc"), malformed, "_cursor"},
		{"PG-1 two cursors", get("Observation?_cursor=abc&_cursor=abc"), malformed, "_cursor"},
		{"PG-4 a cursor that is not base64url", get("Observation?_cursor=a/b"), malformed, "_cursor"},
		{"PG-4 a cursor with padding", get("Observation?_cursor=ab=="), malformed, "_cursor"},
		{"a cursor on a read", get("Observation/x?_cursor=abc"), notSupported, "_cursor"},
		{"MT-1 XML", bound("_format=xml"), fhir.NotAcceptable, "_format"},
		{"MT-1 XML by media type", bound("_format=application%2Ffhir%2Bxml"), fhir.NotAcceptable, "_format"},
		{"MT-1 HTML on a read", get("Patient/A?_format=html/json"), fhir.NotAcceptable, "_format"},
		{"MT-1 two formats on a read", get("Patient/A?_format=json&_format=json"), malformed, "_format"},
		{"MT-1 two formats", bound("_format=json&_format=json"), malformed, "_format"},
		{"MT-15 pretty in another word", bound("_pretty=yes"), malformed, "_pretty"},
		{"a modifier on _format", get("Patient/A?_format:x=json"), notSupported, "_format:x"},
	})
}

func TestValuesOfEachKind(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]struct{ good, bad []string }{
		"Observation?code": {
			[]string{"a", "a,b", "http://loinc.org|1234-5", "http://loinc.org|", "|a", `a\,b`, `a\|b`, `a\\`, `a\$b`, "a%20b", "a%3Bb", "a$b"},
			[]string{"|", "a|b|c", ",a", "a,", "a,,b", `a\b`, `a\`, "a%20", "%20a", "a%20b|c", "a|%20"},
		},
		"Observation?date": {
			[]string{
				"2020", "2020-02", "2020-02-29", "ge2020-01-01", "2020-01-01T10:00", "2020-01-01T10:00Z", "2020-01-01T23:59:60.123Z",
				"2020-01-01T10:00:00-05:00", "2020-01-01T10:00:00%2B02:00", "eq2020", "ne2020", "gt2020", "lt2020", "le2020", "sa2020", "eb2020",
				"ap2020", "2020,2021", "2000-02-29",
			},
			[]string{
				"0000", "20", "20201", "x", "ge", "xx2020", "2020-13", "2020-00", "2020-1", "2021-02-29", "1900-02-29", "2020-04-31", "2020-01-32",
				"2020-", "2020-01-", "2020-01-01-01", "2020T10:00", "2020-01T10:00", "2020-01-01T", "2020-01-01T10", "2020-01-01T24:00",
				"2020-01-01T10:60", "2020-01-01T10:00:61", "2020-01-01T10:00:00.", "2020-01-01T10:00:00.1234567890", "2020-01-01T10:00z",
				"2020-01-01T10:00+02:00", "2020-01-01T10:00-15:00", "2020-01-01T10:00-0500", "2020-01-01T10:00Z1", "2020-01-01T10:00-05:60",
				"gege2020", "-2020",
			},
		},
		"Observation?_lastUpdated":        {[]string{"gt2020-01-01"}, []string{"yesterday"}},
		"Observation?encounter":           {[]string{"e1", "Encounter/e1", "e1,Encounter/e2", "EpisodeOfCare/e1"}, []string{"Condition/e1", "Encounter/", "/e1", "Encounter/e1/_history/1", "http://x/Encounter/e1", "e_1", "encounter/e1", `e\,1`, "Encounter/.."}},
		"Observation?performer":           {[]string{"Practitioner/p1", "Organization/o"}, []string{"p1", "Patient/A", "Group/g", "Practitioner/p1,Patient/A"}},
		"Observation?focus":               {[]string{"Condition/c1", "Device/d"}, []string{"c1", "Patient/A", "Nothing/x", "*/x", "Resource/x"}},
		"Observation?value-string":        {[]string{"a", "a+b%26c", "v%C3%B3%C3%B3r", `a\,b`}, []string{"%20", "a,%20", `\a`}},
		"Observation?value-quantity":      {[]string{"5.4", "gt5.4", "5.4|http://unitsofmeasure.org|mg", "le5.4||mg", "-1", "1e3", "1.5E-3", "1e%2B3"}, []string{"", "gt", "|mg", "5.4|mg", "5.4||", "5.4|a|b|c", "5.", ".5", "1e", "1e1234", "--1", "5.4|a%20b|c", "1x", "1e+3", "5.4||%20a", strings.Repeat("1", 33)}},
		"MolecularSequence?variant-start": {[]string{"1", "ge100"}, []string{"a", "1|a|b"}},
		"CarePlan?instantiates-uri":       {[]string{"http://example.org/x", "urn:oid:1.2.3", "http://example.org/a%26b"}, []string{"a%20b", "a,"}},
		"CarePlan?instantiates-canonical": {[]string{`http://example.org/PlanDefinition/x\|1`}, []string{"a%20b"}},
		"Observation?_id":                 {[]string{"a", "a,b", "a.b-c"}, []string{"a_b", "Observation/a", "a,", ".."}},
		"Observation?_sort":               {[]string{"date", "-date", "-_lastUpdated,_id", "value-date"}, []string{"code", "--date", "+date", "_count"}},
		"Observation?_count":              {[]string{"1", "10", "500"}, []string{"0", "1000", "a", "1.0", "%201"}},
		"Observation?_include": {
			[]string{"Observation:subject", "Observation:patient", "Observation:performer", "Observation:performer:Practitioner", "Observation:encounter", "Observation:has-member:QuestionnaireResponse", "Observation:focus", "Observation:focus:Device"},
			[]string{":", "Observation:", "Observation:subject:", "Observation:subject:Group", "observation:subject", "Observation:focus:Task"},
		},
		"Observation?_revinclude":       {[]string{"DiagnosticReport:result", "DiagnosticReport:result:Observation", "Observation:has-member", "Observation:focus"}, []string{"DiagnosticReport", "Observation:patient", "DiagnosticReport:subject", "Group:member"}},
		"Patient?_revinclude":           {[]string{"Observation:patient", "Condition:subject", "Coverage:beneficiary"}, []string{"Observation:performer", "Patient:link", "RelatedPerson:patient"}},
		"MedicationRequest?_include":    {[]string{"MedicationRequest:medication", "MedicationRequest:medication:Medication", "MedicationRequest:requester:PractitionerRole"}, []string{"MedicationRequest:medication:Substance", "MedicationRequest:instantiates-canonical"}},
		"Patient?_include":              {[]string{"Patient:general-practitioner", "Patient:general-practitioner:Practitioner", "Patient:organization"}, []string{"Patient:link", "Patient:name"}},
		"Coverage?_include":             {[]string{"Coverage:payor", "Coverage:payor:Patient", "Coverage:payor:Organization"}, []string{"Coverage:beneficiary:Patient"}},
		"CarePlan?_include":             {[]string{"CarePlan:care-team"}, []string{"CarePlan:instantiates-canonical"}},
		"AppointmentResponse?actor":     {[]string{"Practitioner/p"}, []string{"Patient/A", "p"}},
		"QuestionnaireResponse?subject": {[]string{"Patient/A"}, []string{"Device/d"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, value := range values.good {
				i, err := fhir.ParseInteraction(fhir.R4, get(name+"="+value))
				if err != nil {
					t.Errorf("%s: got %v, want it accepted", value, err)
				}
				if again, err := fhir.ParseInteraction(fhir.R4, i.Target()); err != nil || !reflect.DeepEqual(again, i) {
					t.Errorf("%s: its target %+v reads as %+v, %v", value, i.Target(), again, err)
				}
			}
			for _, value := range values.bad {
				if i, err := fhir.ParseInteraction(fhir.R4, get(name+"="+value)); err == nil {
					t.Errorf("%s: got %+v, want it refused", value, i)
				}
			}
		})
	}
}

// TestDutchQueriesAreUnderstood parses the queries of MedMij services and professional systems, as far as R4 and this release support them.
func TestDutchQueriesAreUnderstood(t *testing.T) {
	t.Parallel()
	const snomed = "http://snomed.info/sct"
	for _, query := range []string{
		"Patient?_include=Patient:general-practitioner",
		"Patient?identifier=" + bsnToken + "&_include=Patient:general-practitioner",
		"Coverage?_include=Coverage:payor:Patient&_include=Coverage:payor:Organization",
		"Coverage?beneficiary.identifier=" + bsnToken + "&_include=Coverage:payor",
		"Consent?category=" + snomed + "|11291000146105",
		"Condition?patient.identifier=" + bsnToken,
		"Observation?category=" + snomed + "|118228005," + snomed + "|384821006",
		"Observation?code=https://referentiemodel.nhg.org/tabellen/nhg-tabel-45-diagnostische-bepalingen|&_include=Observation:specimen&date=ge2024-01-01",
		"NutritionOrder", "Flag", "AllergyIntolerance?category=medication", "EpisodeOfCare", "ImmunizationRecommendation", "DiagnosticReport",
		"MedicationRequest?category=" + snomed + "|16076005&_include=MedicationRequest:medication",
		"MedicationDispense?status=completed&_include=MedicationDispense:medication",
		"MedicationStatement?category=urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.3|6&_include=MedicationStatement:medication",
		"Immunization?_include=Immunization:patient&_include=Immunization:performer&_include=Immunization:location",
		"Encounter?class=http://terminology.hl7.org/CodeSystem/v3-ActCode|IMP,http://terminology.hl7.org/CodeSystem/v3-ActCode|ACUTE",
		"DocumentReference?status=current&date=ge2024-01-01&date=le2024-12-31",
		"DocumentManifest?status=current&created=ge2024-01-01",
		"Composition?type=http://loinc.org|67781-5",
		"CarePlan?category=" + snomed + "|243114000",
		"CareTeam?patient.identifier=" + bsnToken + "&status=active&_include=CareTeam:participant",
		"Procedure?patient.identifier=" + bsnToken + "&category=" + snomed + "|387713003&_include=Procedure:based-on",
		"Appointment?status=booked,pending,proposed&date=ge2024-01-01&date=le2024-12-31",
		"Observation?patient.identifier=" + bsnToken + "&_sort=-date&_count=1",
	} {
		if _, err := fhir.ParseInteraction(fhir.R4, get(query)); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}
