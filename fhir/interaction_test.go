package fhir_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// get is a GET as a caller sends it: path and query below the FHIR base.
func get(target string) fhir.Request {
	path, query, _ := strings.Cut(target, "?")
	return fhir.Request{Method: "GET", Path: path, RawQuery: query}
}

// with is a request with another method.
func with(method, target string) fhir.Request {
	r := get(target)
	r.Method = method
	return r
}

// post is a search by POST with a form body.
func post(target, body string) fhir.Request {
	r := with("POST", target)
	r.ContentType, r.Body = "application/x-www-form-urlencoded", []byte(body)
	return r
}

// typed is a search by POST with a content type.
func typed(contentType string) fhir.Request {
	r := post("Observation/_search", "patient=A")
	r.ContentType = contentType
	return r
}

// allow is a GET of an interaction that is off by default.
func allow(a fhir.Allow, target string) fhir.Request {
	r := get(target)
	r.Allow = a
	return r
}

// everything and lastN build Interactions of the operations.
func everything(params ...fhir.Param) fhir.Interaction {
	return fhir.Interaction{Code: fhir.CodeEverything, Type: "Patient", Patient: patientA, Params: params}
}

func lastN(patient fhir.PatientName, params ...fhir.Param) fhir.Interaction {
	return fhir.Interaction{Code: fhir.CodeLastN, Type: "Observation", Patient: patient, Params: params}
}

// read and search build Interactions.
func read(typ string, id fhir.ID) fhir.Interaction {
	return fhir.Interaction{Code: fhir.CodeRead, Type: typ, ID: id}
}

func search(typ string, patient fhir.PatientName, params ...fhir.Param) fhir.Interaction {
	return fhir.Interaction{Code: fhir.CodeSearch, Type: typ, Patient: patient, Params: params}
}

func par(name, value string) fhir.Param { return fhir.Param{Name: name, Value: value} }

const (
	bsnSystem = "http://fhir.nl/fhir/NamingSystem/bsn"
	bsnToken  = bsnSystem + "|999990019"
)

var (
	nobody   = fhir.PatientName{}
	patientA = fhir.PatientName{ID: "A"}
	byBSN    = identified(bsnSystem, "999990019")
)

func identified(system, value string) fhir.PatientName {
	return fhir.PatientName{Identifier: fhir.Identifier{System: system, Value: value}}
}

func TestParseInteraction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    fhir.Request
		want fhir.Interaction
	}{
		{"RD-1 a patient is read by id", get("Patient/A"), read("Patient", "A")},
		{"RD-3 a read names no patient", get("Observation/Obs-lab-B"), read("Observation", "Obs-lab-B")},
		{"RM-19 a read of a shared type is for the gate to answer like an absent one", get("Practitioner/p1"), read("Practitioner", "p1")},
		{"a read may ask for JSON", get("Patient/A?_format=json&_pretty=true"), read("Patient", "A")},

		{"SE-1 the patient by bare id", get("Observation?patient=A"), search("Observation", patientA)},
		{"SE-1 the patient by reference", get("Observation?subject=Patient/A"), search("Observation", patientA)},
		{"SE-2 no patient is for the gate to bind or refuse", get("Observation"), search("Observation", nobody)},
		{"SE-2 nor by POST", post("Observation/_search", ""), search("Observation", nobody)},
		{"SE-6 the type as modifier of subject", get("Observation?subject:Patient=A"), search("Observation", patientA)},
		{"SE-6 the type as modifier of patient", get("Observation?patient:Patient=A"), search("Observation", patientA)},
		{"HT-10 the colon of the modifier escaped", get("Observation?subject%3APatient=A"), search("Observation", patientA)},
		{"HT-9 a name with an escape is that name", get("Observation?%70atient=A"), search("Observation", patientA)},
		{"SE-7 the patient by identifier", get("Observation?subject:identifier=" + bsnSystem + "%7C999990019"), search("Observation", byBSN)},
		{"SE-7 with the bar as it is", get("Observation?patient:identifier=" + bsnToken), search("Observation", byBSN)},
		{"OR-3 the identifier chain on patient", get("Condition?patient.identifier=" + bsnToken), search("Condition", byBSN)},
		{"OR-3 the identifier chain on subject", get("Condition?subject.identifier=" + bsnToken), search("Condition", byBSN)},
		{"OR-3 the identifier chain on beneficiary", get("Coverage?beneficiary.identifier=" + bsnToken), search("Coverage", byBSN)},
		{"a Coverage has a beneficiary", get("Coverage?beneficiary=Patient/A"), search("Coverage", patientA)},
		{"an AdverseEvent has a subject only", get("AdverseEvent?subject=A"), search("AdverseEvent", patientA)},
		{"a SupplyRequest goes to its subject", get("SupplyRequest?subject=Patient/A"), search("SupplyRequest", patientA)},
		{"SE-14 a Patient by identifier", get("Patient?identifier=" + bsnToken), search("Patient", byBSN)},
		{"SE-15 a Patient by id", get("Patient?_id=A"), search("Patient", patientA)},
		{
			"HT-11 escapes in an identifier are taken out", get(`Patient?identifier=urn:x\,y%5C%5C|a\|b\$c`),
			search("Patient", identified(`urn:x,y\`, "a|b$c")),
		},

		{
			"parameters are sorted by name, repeats stay in order",
			get("Observation?date=lt2021&patient=A&code=b&date=ge2020&category=c"),
			search("Observation", patientA, par("category", "c"), par("code", "b"), par("date", "lt2021"), par("date", "ge2020")),
		},
		{"a plus is a space", get("Condition?onset-info=since+birth"), search("Condition", nobody, par("onset-info", "since birth"))},
		{"UTF-8 is decoded", get("Condition?onset-info=v%C3%B3%C3%B3r+2020"), search("Condition", nobody, par("onset-info", "vóór 2020"))},
		{"an equals sign in a value belongs to the value", get("Condition?onset-info=a=b"), search("Condition", nobody, par("onset-info", "a=b"))},
		{"SE-17 a search by POST", post("Observation/_search", "patient=A&_count=5"), search("Observation", patientA, par("_count", "5"))},
		{"MT-4 with a charset", typed("Application/X-WWW-form-urlencoded; charset=UTF-8"), search("Observation", patientA)},
		{"MT-1 _format and _pretty end here", get("Observation?_format=application/fhir%2Bjson&patient=A&_pretty=false"), search("Observation", patientA)},
		{"MT-1 a plus that the caller did not escape", get("Observation?_format=application/fhir+json"), search("Observation", nobody)},
		{"PG-1 a cursor", get("Observation?_cursor=AZaz09-_"), fhir.Interaction{Code: fhir.CodeSearch, Type: "Observation", Cursor: "AZaz09-_"}},

		{"RD-13 HEAD is understood as GET", with("HEAD", "Observation/Obs-psy-A"), read("Observation", "Obs-psy-A")},
		{"RD-13 HEAD of a search", with("HEAD", "Observation?patient=A"), search("Observation", patientA)},
		{
			"RD-8 vread where it is allowed", allow(fhir.AllowVRead, "Patient/A/_history/1?_format=json"),
			fhir.Interaction{Code: fhir.CodeVRead, Type: "Patient", ID: "A", Version: "1"},
		},
		{
			"RD-9 the history of an instance where it is allowed", allow(fhir.AllowHistory, "Observation/x/_history?_since=2020-01-01T10:00:00Z&_count=5"),
			fhir.Interaction{Code: fhir.CodeHistory, Type: "Observation", ID: "x", Params: []fhir.Param{par("_count", "5"), par("_since", "2020-01-01T10:00:00Z")}},
		},
		{"SE-16 a compartment search is the search of the type", get("Patient/A/Observation?code=b"), search("Observation", patientA, par("code", "b"))},
		{"SE-16 of a type with a subject only", get("Patient/A/AdverseEvent"), search("AdverseEvent", patientA)},
		{"OP-1 everything about a patient", get("Patient/A/$everything"), everything()},
		{"OP-1 a page of it", get("Patient/$everything?_cursor=AZaz09-_"), fhir.Interaction{Code: fhir.CodeEverything, Type: "Patient", Cursor: "AZaz09-_"}},
		{
			"OP-1 with parameters", get("Patient/A/$everything?_type=Patient,Observation,Practitioner,Observation&_since=2020&_pretty=true&_count=7"),
			everything(par("_count", "7"), par("_since", "2020"), par("_type", "Observation,Patient,Practitioner")),
		},
		{"OP-3 the last observations", get("Observation/$lastn?patient=A"), lastN(patientA)},
		{
			"OP-3 of a category", get("Observation/$lastn?_format=json&max=3&subject.identifier=" + bsnToken + "&code=a&category=b&_include=Observation:specimen&date=ge2020"),
			lastN(byBSN, par("_include", "Observation:specimen"), par("category", "b"), par("code", "a"), par("date", "ge2020"), par("max", "3")),
		},
		{"BI-1 a sealed link", get("Binary/AZaz09-_"), fhir.Interaction{Code: fhir.CodeAttachment, Type: "Binary", Cursor: "AZaz09-_"}},
		{
			"BI-1 a long one", get("Binary/" + strings.Repeat("a", 4096)),
			fhir.Interaction{Code: fhir.CodeAttachment, Type: "Binary", Cursor: strings.Repeat("a", 4096)},
		},
		{
			"IN-5 an include that is repeated", get("CarePlan?_include=CarePlan:care-team&_include:iterate=CareTeam:participant:PractitionerRole&_include:recurse=PractitionerRole:organization"),
			search(
				"CarePlan", nobody, par("_include", "CarePlan:care-team"), par("_include:iterate", "CareTeam:participant:PractitionerRole"),
				par("_include:iterate", "PractitionerRole:organization"),
			),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := fhir.ParseInteraction(fhir.R4, c.r)
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			again, err := fhir.ParseInteraction(fhir.R4, got.Target())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("its target %+v reads as %+v, %v", got.Target(), again, err)
			}
		})
	}
}

func TestManyRepeatsStayInOrder(t *testing.T) {
	t.Parallel()
	var query strings.Builder
	for n := range 24 {
		fmt.Fprintf(&query, "date=%d&code=%d&", 2000+n, n)
	}
	got, err := fhir.ParseInteraction(fhir.R4, get("Observation?"+query.String()+"patient=A"))
	if err != nil || len(got.Params) != 48 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for n := range 24 {
		if code, date := par("code", fmt.Sprint(n)), par("date", fmt.Sprint(2000+n)); got.Params[n] != code || got.Params[24+n] != date {
			t.Errorf("at %d: got %v and %v, want %v and %v", n, got.Params[n], got.Params[24+n], code, date)
		}
	}
}

// refusal is a request that is refused, and how. Nothing of it may reach the source.
type refusal struct {
	name    string
	r       fhir.Request
	kind    fhir.Kind
	element string
}

func checkRefusals(t *testing.T, cases []refusal) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := fhir.ParseInteraction(fhir.R4, c.r)
			if !reflect.DeepEqual(got, fhir.Interaction{}) {
				t.Errorf("got %+v together with an error", got)
			}
			var refused *fhir.RequestError
			if !errors.As(err, &refused) {
				t.Fatalf("got error %v, want a *RequestError", err)
			}
			if refused.Kind != c.kind || refused.Element != c.element || refused.Reason == "" {
				t.Errorf("got kind %d, element %q, reason %q; want kind %d, element %q", refused.Kind, refused.Element, refused.Reason, c.kind, c.element)
			}
		})
	}
}

func TestPathsAreClosed(t *testing.T) {
	t.Parallel()
	const (
		notFound, noMethod, noOperation = fhir.NotFound, fhir.NoMethod, fhir.NoOperation
	)
	checkRefusals(t, []refusal{
		{"RD-8 vread", get("Patient/A/_history/1"), noOperation, ""},
		{"RD-9 history of an instance", get("Observation/Obs-lab-A/_history"), noOperation, ""},
		{"RD-10 history of a type", get("Patient/_history"), noOperation, ""},
		{"RD-10 history of everything", get("_history?_since=2020"), noOperation, ""},
		{"RD-11 a read of some elements", get("Patient/A?_elements=identifier"), fhir.NotSupported, "_elements"},
		{"RD-11 a read of a summary", get("Patient/A?_summary=text"), fhir.NotSupported, "_summary"},
		{"RD-12 a slash at the end", get("Patient/A/"), notFound, ""},
		{"RD-12 two slashes at the end", get("Patient/A//"), notFound, ""},
		{"RD-12 two slashes in between", get("Patient//A"), notFound, ""},
		{"RD-13 HEAD where GET is not", with("HEAD", "Observation/_search?patient=A"), noMethod, ""},
		{"RD-13 HEAD of the base", with("HEAD", ""), notFound, ""},
		{"MT-13 OPTIONS", with("OPTIONS", "Patient/A"), noMethod, ""},
		{"MT-13 OPTIONS, the same for what does not exist", with("OPTIONS", "no/such/path"), noMethod, ""},
		{"MT-14 TRACE", with("TRACE", "Patient/A"), noMethod, ""},
		{"MT-14 PROPFIND", with("PROPFIND", "Patient/A"), noMethod, ""},
		{"MT-14 a verb in lower case", with("get", "Patient/A"), noMethod, ""},
		{"MT-14 no verb", with("", "Patient/A"), noMethod, ""},
		{"WR-1 update", with("PUT", "Observation/Obs-lab-B"), noMethod, ""},
		{"WR-3 create", with("POST", "Observation"), noMethod, ""},
		{"WR-7 conditional delete", with("DELETE", "Observation?patient=B"), noMethod, ""},
		{"WR-8 delete", with("DELETE", "Patient/A"), noMethod, ""},
		{"WR-10 patch", with("PATCH", "Patient/A"), noMethod, ""},
		{"AU-8 a write of a refused type", with("PUT", "AuditEvent/x"), noMethod, ""},
		{"a write to the base", with("PUT", ""), noMethod, ""},
		{"BA-1 a batch", post("", ""), noOperation, ""},
		{"BA-8 a Bundle sent to its type", with("POST", "Bundle"), noMethod, ""},
		{"BA-8 a Bundle that is stored", get("Bundle/x"), noOperation, "Bundle"},
		{"BI-11 a list of Binaries", get("Binary?_lastUpdated=gt2020"), noOperation, "Binary"},
		{"AU-7 who looked at whom", get("AuditEvent?patient=A"), noOperation, "AuditEvent"},
		{"AS-5 a Subscription", with("POST", "Subscription"), noMethod, ""},
		{"AS-6 its status", get("Subscription/1/$status"), noOperation, ""},
		{"SE-16 over all types", get("Patient/A/*"), noOperation, ""},
		{"SE-16 of another compartment", get("Encounter/e1/Observation"), noOperation, ""},
		{"SE-16 of a practitioner", get("Practitioner/p/Patient"), noOperation, ""},
		{"SE-16 of a device", get("Device/d/Observation"), noOperation, ""},
		{"SE-18 a compartment search by POST", post("Patient/A/Observation/_search", ""), noOperation, ""},
		{"SE-18 a search over everything by POST", post("_search", ""), noOperation, ""},
		{"SE-18 with types", post("?_type=Observation", ""), noOperation, ""},
		{"SE-18 _search by GET", get("Observation/_search?patient=A"), noMethod, ""},
		{"SE-19 a search over types", get("?_type=Observation,Condition&patient=A"), noOperation, ""},
		{"SE-27 a search of a shared type", get("Practitioner?name=jansen"), noOperation, "Practitioner"},
		{"SE-27 the same by POST", post("Medication/_search", "code=a"), noOperation, "Medication"},
		{"SE-27 a Group", get("Group"), noOperation, "Group"},
		{"SE-27 a Task is not in the compartment", get("Task?patient=A"), noOperation, "Task"},
		{"RM-8 a RelatedPerson", get("RelatedPerson/r"), noOperation, "RelatedPerson"},
		{"DE-1 metadata is the gate's", get("metadata"), notFound, ""},
		{"DE-3 the base", get(""), notFound, ""},
		{"DE-3 a page of the source", get("swagger-ui"), notFound, ""},
		{"DE-3 a page below", get("actuator/env"), notFound, ""},
		{"a type that there is not", get("Observations?patient=A"), notFound, ""},
		{"an abstract type", get("Resource/x"), notFound, ""},
		{"HT-2 another case", get("patient/A"), notFound, ""},
		{"HT-1 dot segments", get("Patient/A/../B"), notFound, ""},
		{"HT-1 a dot as id", get("Patient/."), notFound, ""},
		{"HT-1 two dots as id", get("Patient/.."), notFound, ""},
		{"HT-1 dots with escapes", get("%2e%2e/actuator/env"), notFound, ""},
		{"HT-1 a slash with an escape", get("Patient%2FB"), notFound, ""},
		{"HT-1 an escape in an id", get("Patient/%41"), notFound, ""},
		{"HT-1 a NUL", get("Patient/A%00"), notFound, ""},
		{"HT-1 a raw NUL", get("Patient/A\x00"), notFound, ""},
		{"HT-1 a backslash", get(`Patient\A`), notFound, ""},
		{"HT-1 a letter that is not ASCII", get("Pati\u0435nt/A"), notFound, ""},
		{"HT-2 a slash first", get("/Patient/A"), notFound, ""},
		{"HT-2 a path parameter", get("Patient;x=1/A;jsessionid=2"), notFound, ""},
		{"HT-2 a space at the end", get("Patient/A%20"), notFound, ""},
		{"an id that is too long", get("Patient/" + strings.Repeat("a", 65)), notFound, ""},
		{"an id that is none", get("Patient/a_b"), notFound, ""},
		{"an id that is none, with a history", get("Patient/a_b/_history"), notFound, ""},
		{"a version that is none", get("Patient/A/_history/_"), notFound, ""},
		{"what no interaction looks like", get("Patient/A/Observation/b"), notFound, ""},
		{"three segments that are none", get("Patient/A/b"), notFound, ""},
		{"a path that is too long", get("Patient/A/_history/1/2"), notFound, ""},
		{"RD-8 vread where the history is allowed", allow(fhir.AllowHistory, "Patient/A/_history/1"), noOperation, ""},
		{"RD-9 the history where vread is allowed", allow(fhir.AllowVRead, "Patient/A/_history"), noOperation, ""},
		{"RD-8 a version of a refused type", allow(fhir.AllowVRead, "Group/g/_history/1"), noOperation, "Group"},
		{"RD-8 a version that is none", allow(fhir.AllowVRead, "Patient/A/_history/_"), notFound, ""},
		{"RD-8 a version to write", fhir.Request{Method: "PUT", Path: "Patient/A/_history/1", Allow: fhir.AllowVRead}, noMethod, ""},
		{"RD-8 a version with a parameter", allow(fhir.AllowVRead, "Patient/A/_history/1?_summary=text"), fhir.NotSupported, "_summary"},
		{"RD-9 a history to delete", fhir.Request{Method: "DELETE", Path: "Patient/A/_history", Allow: fhir.AllowHistory}, noMethod, ""},
		{"RD-9 a history at an instant", allow(fhir.AllowHistory, "Patient/A/_history?_at=2020"), fhir.NotSupported, "_at"},
		{"RD-9 a page of a history", allow(fhir.AllowHistory, "Patient/A/_history?_cursor=abc"), fhir.NotSupported, "_cursor"},
		{"RD-9 a history since nothing", allow(fhir.AllowHistory, "Patient/A/_history?_since=ge2020"), fhir.Malformed, "_since"},
		{"RD-9 a history of none", allow(fhir.AllowHistory, "Patient/A/_history?_count=0"), fhir.Malformed, "_count"},
		{"RD-10 the history of a type stays refused", allow(fhir.AllowHistory|fhir.AllowVRead, "Patient/_history"), noOperation, ""},
		{"RD-10 the history of everything as well", allow(fhir.AllowHistory|fhir.AllowVRead, "_history"), noOperation, ""},
		{"SE-16 of the Patients themselves", get("Patient/A/Patient"), noOperation, ""},
		{"SE-16 of a shared type", get("Patient/A/Practitioner"), noOperation, "Practitioner"},
		{"SE-16 of a refused type", get("Patient/A/Group"), noOperation, "Group"},
		{"SE-16 by another method", with("DELETE", "Patient/A/Observation"), noMethod, ""},
		{"SE-16 with an id that is none", get("Patient/a_b/Observation"), notFound, ""},
		{"SE-4 a compartment search that names a patient besides", get("Patient/A/Observation?patient=B"), fhir.Malformed, "patient"},
		{"SE-4 even the same", get("Patient/A/Observation?subject=Patient/A"), fhir.Malformed, "subject"},
		{"SE-7 or a person", get("Patient/A/Observation?patient.identifier=" + bsnToken), fhir.Malformed, "patient.identifier"},
		{"PG-1 a page of a compartment search", get("Patient/A/Observation?_cursor=abc"), fhir.NotSupported, "_cursor"},
		{"SE-29 a compartment search with all the parameters that there may be", get("Patient/A/Observation?" + strings.Repeat("code=a&", 49) + "code=a"), fhir.TooLong, ""},
		{"OP-1 by dates of care", get("Patient/A/$everything?start=2020"), fhir.NotSupported, "start"},
		{"OP-1 to a date of care", get("Patient/A/$everything?end=2020"), fhir.NotSupported, "end"},
		{"OP-1 with a search parameter", get("Patient/A/$everything?patient=B"), fhir.NotSupported, "patient"},
		{"OP-1 with a parameter twice", get("Patient/A/$everything?_count=1&_count=2"), fhir.Malformed, "_count"},
		{"OP-1 with the same format twice", get("Patient/A/$everything?_format=json&_format=json"), fhir.Malformed, "_format"},
		{"OP-1 of a type that there is not", get("Patient/A/$everything?_type=Observation,Canary"), fhir.Malformed, "_type"},
		{"OP-1 of types that are not served", get("Patient/A/$everything?_type=Group,Practitioner"), fhir.NotSupported, "_type"},
		{"MT-1 everything in XML", get("Patient/A/$everything?_format=xml"), fhir.NotAcceptable, "_format"},
		{"OP-1 a page beside the patient", get("Patient/A/$everything?_cursor=abc"), fhir.NotSupported, "_cursor"},
		{"OP-1 a page with a parameter", get("Patient/$everything?_cursor=abc&_count=2"), fhir.Malformed, "_cursor"},
		{"OP-1 a page that is not base64url", get("Patient/$everything?_cursor=a/b"), fhir.Malformed, "_cursor"},
		{"OP-1 a page that is empty", get("Patient/$everything?_cursor="), fhir.Malformed, "_cursor"},
		{"OP-1 a page behind another parameter", get("Patient/$everything?_count=2&_cursor=abc"), noOperation, "$everything"},
		{"OP-1 a page by POST", post("Patient/$everything?_cursor=abc", ""), noOperation, "$everything"},
		{"OP-1 a page of another type", get("Encounter/$everything?_cursor=abc"), noOperation, "$everything"},
		{"OP-2 everything about all", get("Patient/$everything"), noOperation, "$everything"},
		{"OP-2 everything about all, with a count", get("Patient/$everything?_count=2"), noOperation, "$everything"},
		{"OP-2 everything about a Group", get("Group/Grp-AB/$everything"), noOperation, "$everything"},
		{"OP-2 everything about an Encounter", get("Encounter/e1/$everything"), noOperation, "$everything"},
		{"OP-1 of no id", get("Patient/a_b/$everything"), noOperation, "$everything"},
		{"OP-3 of an instance", get("Observation/x/$lastn"), noOperation, "$lastn"},
		{"OP-3 of another type", get("Condition/$lastn?patient=A"), noOperation, "$lastn"},
		{"OP-3 by POST", post("Observation/$lastn", "patient=A"), noOperation, "$lastn"},
		{"OP-3 of none", get("Observation/$lastn?patient=A&max=0"), fhir.Malformed, "max"},
		{"OP-3 of too many", get("Observation/$lastn?patient=A&max=101"), fhir.Malformed, "max"},
		{"OP-3 of two numbers", get("Observation/$lastn?patient=A&max=1&max=2"), fhir.Malformed, "max"},
		{"OP-3 with another parameter", get("Observation/$lastn?patient=A&value-string=a"), fhir.NotSupported, "value-string"},
		{"OP-3 in an order", get("Observation/$lastn?patient=A&_sort=date"), fhir.NotSupported, "_sort"},
		{"OP-3 a page of it", get("Observation/$lastn?_cursor=abc"), fhir.NotSupported, "_cursor"},
		{"OP-3 of two patients", get("Observation/$lastn?patient=A&subject=Patient/B"), fhir.Malformed, "subject"},
		{"OP-3 with a value that is none", get("Observation/$lastn?patient=A&date=x"), fhir.Malformed, "date"},
		{"OP-3 of everybody's", get("Observation/$lastn?patient:missing=true"), fhir.NotSupported, "patient:missing"},
		{"OP-3 max outside of it", get("Observation?patient=A&max=1"), fhir.NotSupported, "max"},
		{"BI-1 a link that is too long", get("Binary/" + strings.Repeat("a", 4097)), fhir.TooLong, ""},
		{"BI-1 a link that no seal looks like", get("Binary/a.b"), notFound, ""},
		{"BI-1 a Binary to write", with("PUT", "Binary/abc"), noMethod, ""},
		{"BI-1 a Binary with a parameter", get("Binary/abc?_format=json"), fhir.NotSupported, "_format"},
		{"BI-1 Binaries by POST", post("Binary/_search", ""), noOperation, ""},
		{"BI-1 a version of a Binary", allow(fhir.AllowVRead, "Binary/abc/_history/1"), noOperation, "Binary"},
		{"OP-1 the same by POST", post("Patient/A/$everything", ""), noOperation, "$everything"},
		{"OP-17 with an escape", get("Patient/A/%24everything"), notFound, ""},
		{"OP-17 in another case", get("Patient/A/$Everything"), noOperation, ""},
		{"OP-17 with a slash at the end", get("Patient/A/$everything/"), notFound, ""},
		{"OP-17 with an escape, of the type", get("Patient/%24everything"), notFound, ""},
		{"OP-17 with a path parameter", get("Patient/A/$everything;x=1"), notFound, ""},
		{"OP-17 in the wrong place", get("Patient/$everything/A"), noOperation, "$everything"},
		{"OP-15 an operation of a vendor", get("Patient/A/$binary-access-read?path=x"), noOperation, ""},
		{"HT-7 a GET with a body", fhir.Request{Method: "GET", Path: "Observation", Body: []byte("patient=B")}, fhir.Malformed, ""},
		{"HT-7 a read with a body", fhir.Request{Method: "GET", Path: "Patient/A", Body: []byte("x")}, fhir.Malformed, ""},
		{"SE-17 a query on a search by POST", post("Observation/_search?patient=A", "patient=B"), fhir.Malformed, ""},
		{"MT-4 a JSON body", typed("application/json"), fhir.MediaType, ""},
		{"MT-4 a multipart body", typed("multipart/form-data; boundary=x"), fhir.MediaType, ""},
		{"MT-4 no content type", typed(""), fhir.MediaType, ""},
		{"MT-4 another charset", typed("application/x-www-form-urlencoded;charset=utf-7"), fhir.MediaType, ""},
		{"MT-4 two parameters", typed("application/x-www-form-urlencoded;charset=utf-8;x=y"), fhir.MediaType, ""},
		{"MT-4 a parameter without content", typed("application/x-www-form-urlencoded;"), fhir.MediaType, ""},
	})
}

func TestAVersionWithoutTablesIsRefused(t *testing.T) {
	t.Parallel()
	for _, v := range []fhir.Version{0, 2, 5} {
		_, err := fhir.ParseInteraction(v, get("Patient/A"))
		var refused *fhir.RequestError
		if !errors.As(err, &refused) || refused.Kind != fhir.NoOperation {
			t.Errorf("version %d: got %v, want NoOperation", v, err)
		}
	}
}

func TestRequestErrorSaysNoValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, want string }{
		{"Observation?patient=canary/x", "the value is not the id of one patient: patient"},
		{"Observation?canary9=x", "unknown parameter"},
		{"Observation?" + strings.Repeat("x", 65) + "=canary", "unknown parameter"},
		{"Observation?_total=canary", "counts are not disclosed: _total"},
		{"List/canary", "type not served: items of anybody, with or without a subject: List"},
		{"Location?name=canary", "type not searched: Location"},
	} {
		_, err := fhir.ParseInteraction(fhir.R4, get(c.target))
		if got := fmt.Sprint(err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.target, got, c.want)
		}
	}
}
