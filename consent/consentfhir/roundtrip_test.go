package consentfhir_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
)

// catalogue is the configuration of these tests' gateway.
var catalogue = consent.Catalogue{
	ProviderCategories: []string{"gp", "pharmacy", "hospital", "lab", "nursing", "ggz", "other"},
	DataCategories:     []fhir.DataCategory{"Condition", "ObservationLaboratory", "MedicationRequest", "Patient", "Consent"},
	Groups:             []string{"GGC002", "GGC012", "GGC013"},
	Channels:           []string{"regional", "lsp", "medmij"},
}

var profile = consentfhir.Profile{Groups: catalogue.Groups}

// now is the time of these tests.
var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(-2e9, now.Unix()-1).Draw(t, "seconds"), 0)
		if rapid.Bool().Draw(t, "fraction") {
			at = at.Add(time.Duration(rapid.Int64Range(0, 999_999_999).Draw(t, "ns")))
		}
		return at.UTC()
	})
}

func sides(practitioner bool) *rapid.Generator[consent.Side] {
	return rapid.Custom(func(t *rapid.T) consent.Side {
		id := rapid.OneOf(
			rapid.SampledFrom([]string{"ura:00000003", "uzi:900000001", "ura:", "ura: 3", "urn:other", "agb:1", "a b"}),
			rapid.StringMatching(`[!-~é]{1,20}( [!-~]{1,3})?`),
		).Draw(t, "id")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 1:
			return consent.Side{Category: rapid.SampledFrom(catalogue.ProviderCategories).Draw(t, "category")}
		case 2:
			return consent.Side{Organization: id}
		case 3:
			if practitioner {
				return consent.Side{Practitioner: id}
			}
		}
		return consent.Side{}
	})
}

// records draws records that a write accepts.
func records() *rapid.Generator[consent.Record] {
	who := rapid.SampledFrom([][]string{{"patient"}, {"representative"}, {"patient", "representative"}, {"representative", "patient"}})
	return rapid.Custom(func(t *rapid.T) consent.Record {
		r := consent.Record{
			Status: rapid.SampledFrom([]string{"active", "withdrawn", "entered-in-error"}).Draw(t, "status"),
			Holder: sides(false).Draw(t, "holder"), Party: sides(true).Draw(t, "party"),
			Data:     rapid.SliceOfN(rapid.SampledFrom([]string{"GGC002", "GGC013", "Condition", "Restricted", "Unclassified"}), 0, 4).Draw(t, "data"),
			Channel:  rapid.SampledFrom(append(slices.Clone(catalogue.Channels), "")).Draw(t, "channel"),
			Purposes: rapid.SliceOfN(rapid.SampledFrom([]string{"TREAT", "ETREAT", "HRESCH"}), 0, 4).Draw(t, "purposes"),
			GivenBy:  who.Draw(t, "given by"), RecordedBy: rapid.SampledFrom([]string{"", "ura:00000003 uzi:900000001"}).Draw(t, "recorded by"),
			Posthumous:  rapid.Bool().Draw(t, "posthumous"),
			Decision:    rapid.SampledFrom([]string{"permit", "deny"}).Draw(t, "decision"),
			Method:      rapid.SampledFrom([]string{"oral", "in writing", "portal"}).Draw(t, "method"),
			Information: consent.Information{ID: "leaflet", Version: "3", Language: "nl", SHA256: strings.Repeat("aB", 32)},
		}
		r.RecordedAt.Time = instants().Draw(t, "recorded")
		if rapid.Bool().Draw(t, "bounded") {
			r.ValidFrom.Time = instants().Draw(t, "from")
			r.ValidTo.Time = r.ValidFrom.Add(time.Duration(rapid.Int64Range(1, 1e17).Draw(t, "lasts")))
		}
		if r.Decision == "deny" {
			r.EmergencyException = rapid.Bool().Draw(t, "exception")
			if rapid.Bool().Draw(t, "uninformed") {
				r.Information, r.Method = consent.Information{}, ""
			}
		} else if (r.Party == consent.Side{}) {
			r.Party.Category = "gp"
		}
		if rapid.IntRange(0, 4).Draw(t, "person") == 0 {
			r.Party, r.PartyName = consent.Side{Person: consent.PersonKey(strings.Repeat("0a", 32))}, rapid.SampledFrom([]string{"Anja", "oom Jan (b 3)"}).Draw(t, "name")
			r.Purposes, r.GivenBy, r.EmergencyException = []string{consent.PurposeMandate}, []string{"patient"}, false
		}
		if r.Status == "withdrawn" {
			r.WithdrawnAt.Time, r.WithdrawnBy = r.RecordedAt.Add(time.Minute), who.Draw(t, "withdrawn by")
			if r.WithdrawnAt.After(now) {
				r.WithdrawnAt = r.RecordedAt
			}
		}
		return r
	})
}

// comparable renders records so that equal instants are equal.
func comparable(t testing.TB, records []consent.Record) string {
	t.Helper()
	for i := range records {
		r := &records[i]
		for _, at := range []*consent.Time{&r.ValidFrom, &r.ValidTo, &r.RecordedAt, &r.WithdrawnAt} {
			if !at.IsZero() {
				at.Time = at.UTC()
			}
		}
	}
	b, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWrittenReadsBackTheSame: every record that a write accepts has a resource, which reads back as that record.
func TestWrittenReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		record := records().Draw(rt, "record")
		if err := catalogue.CheckWrite(record, now); err != nil {
			rt.Fatalf("the record drawn is not one that a write accepts: %v", err)
		}
		record.ID = "01-0123456789abcdef0123456789abcdef"
		want := consentfhir.Consent{
			ID: record.ID, Version: "v1", Updated: now, Patient: fhir.Identifier{System: consentfhir.SystemPersonKey, Value: "abc"},
			Records: []consent.Record{record},
		}
		written, err := profile.Write(want)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := profile.Read(written)
		if err != nil {
			rt.Fatalf("%v\n%s", err, written)
		}
		record.ID = ""
		if g, w := comparable(t, got.Records), comparable(t, []consent.Record{record}); g != w {
			rt.Fatalf("got\n%s, want\n%s", g, w)
		}
		if got.ID != want.ID || got.Version != want.Version || got.Patient != want.Patient {
			rt.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// TestReadWritesBackTheSame: every resource that is accepted, with actors and exceptions of any kind, has the same records after we wrote
// it.
func TestReadWritesBackTheSame(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		first, err := profile.Read(document(rt))
		if err != nil {
			return
		}
		accepted++
		written, err := profile.Write(first)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		second, err := profile.Read(written)
		if err != nil {
			rt.Fatalf("%v\n%s", err, written)
		}
		if _, err := json.Marshal(first.Records); err != nil { // as the command line prints them
			rt.Fatalf("records that cannot be shown: %v", err)
		}
		if g, w := comparable(t, second.Records), comparable(t, first.Records); g != w {
			rt.Fatalf("got\n%s, want\n%s\nas written: %s", g, w, written)
		}
	})
	if accepted == 0 {
		t.Error("no document was understood")
	}
}

// m is a JSON object.
type m = map[string]any

func coded(system, code string) m { return m{"coding": []any{m{"system": system, "code": code}}} }

const (
	terminology = "http://terminology.hl7.org/CodeSystem/"
	bsnSystem   = "http://fhir.nl/fhir/NamingSystem/bsn"
)

// actorOf names a party (IRCP) or a holder (CST).
func actorOf(role, typ, system, value string) m {
	return m{"role": coded(terminology+"v3-ParticipationType", role), "reference": m{"type": typ, "identifier": m{"system": system, "value": value}}}
}

func dataOf(name string) m {
	system := "http://minvws.github.io/generiekefuncties-docs/CodeSystem/nl-gf-data-categories-cs"
	if strings.HasPrefix(name, "GGC") {
		system = "urn:zorgsluis:data-category-group"
	}
	return m{"url": "urn:zorgsluis:consent:data-category", "valueCoding": m{"system": system, "code": name}}
}

var drawnActors = []m{
	actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "gp"),
	actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "hospital"),
	actorOf("IRCP", "Organization", "http://fhir.nl/fhir/NamingSystem/ura", "00000003"),
	actorOf("IRCP", "Practitioner", "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers", "900000001"),
	actorOf("CST", "Organization", "http://fhir.nl/fhir/NamingSystem/ura", "00000001"),
	actorOf("CST", "Group", "urn:zorgsluis:provider-category", "hospital"),
	actorOf("IRCP", "Group", "urn:zorgsluis:emergency-providers", "all"),
}

// drawnProvision draws a provision, nested ones included.
func drawnProvision(t *rapid.T, depth int) m {
	p := m{"type": rapid.SampledFrom([]string{"permit", "deny"}).Draw(t, "type")}
	if actors := rapid.SliceOfN(rapid.SampledFrom(drawnActors), 0, 3).Draw(t, "actors"); len(actors) > 0 {
		p["actor"] = actors
	}
	var purposes []any
	for _, code := range rapid.SliceOfN(rapid.SampledFrom([]string{"TREAT", "ETREAT", "BTG", "HRESCH", "HPAYMT"}), 0, 3).Draw(t, "purposes") {
		purposes = append(purposes, m{"system": terminology + "v3-ActReason", "code": code})
	}
	if purposes != nil {
		p["purpose"] = purposes
	}
	var modifiers []any
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"GGC002", "GGC013", "Condition"}), 0, 2).Draw(t, "data") {
		modifiers = append(modifiers, dataOf(name))
	}
	if rapid.IntRange(0, 4).Draw(t, "channel") == 0 {
		modifiers = append(modifiers, m{"url": "urn:zorgsluis:consent:channel", "valueCode": "regional"})
	}
	if modifiers != nil {
		p["modifierExtension"] = modifiers
	}
	if rapid.IntRange(0, 4).Draw(t, "period") == 0 {
		p["period"] = m{"end": rapid.SampledFrom([]string{
			"2026", "2027-02", "2026-12-31", "2026-12-31T23:59:59.5+01:00", "9999", "9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", "0001",
		}).Draw(t, "end")}
	}
	if rapid.IntRange(0, 4).Draw(t, "beginning") == 0 {
		if p["period"] == nil {
			p["period"] = m{}
		}
		p["period"].(m)["start"] = rapid.SampledFrom([]string{"2025", "2026-02-03", "0001", "0001-01-01T00:00:00Z"}).Draw(t, "start")
	}
	if depth > 0 {
		var nested []any
		for range rapid.IntRange(0, 3).Draw(t, "nested") {
			nested = append(nested, drawnProvision(t, depth-1))
		}
		if nested != nil {
			p["provision"] = nested
		}
	}
	return p
}

// resourceOf is a Consent of a patient with this provision.
func resourceOf(provision any) m {
	patient := m{"type": "Patient", "identifier": m{"system": bsnSystem, "value": "999991346"}}
	return m{
		"resourceType": "Consent", "status": "active", "scope": coded(terminology+"consentscope", "patient-privacy"),
		"category": []any{coded("http://loinc.org", "59284-0")}, "patient": patient, "performer": []any{patient},
		"dateTime": "2026-11-21T10:00:00Z", "policy": []any{m{"uri": "urn:zorgsluis:policy:decision"}}, "provision": provision,
		"extension": []any{
			m{"url": "urn:zorgsluis:consent:method", "valueString": "portal"},
			m{"url": "urn:zorgsluis:consent:information", "extension": []any{
				m{"url": "id", "valueString": "leaflet"}, m{"url": "version", "valueString": "3"},
				m{"url": "language", "valueString": "nl"}, m{"url": "sha256", "valueString": strings.Repeat("ab", 32)},
			}},
		},
	}
}

func marshal(t interface{ Fatal(...any) }, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func document(t *rapid.T) []byte { return marshal(t, resourceOf(drawnProvision(t, 1))) }

// TestConsentsOfAStanding: records that were made together are one Consent, whatever is between them.
func TestConsentsOfAStanding(t *testing.T) {
	at := func(s int) consent.Time { return consent.Time{Time: now.Add(time.Duration(s) * time.Second)} }
	first := consent.RecordID("01-0123456789abcdef01234567aaaaaaaa")
	st := consent.Standing{Records: []consent.Record{
		{ID: first, RecordedAt: at(0), WithdrawnAt: at(3)},
		{ID: "01-ffff456789abcdef01234567aaaaaaaa", RecordedAt: at(1)},
		{ID: consentfhir.Sibling(first, "bbbbbbbb"), RecordedAt: at(0), WithdrawnAt: at(3)},
	}}
	all := consentfhir.Of(st)
	if len(all) != 2 || all[0].ID != first || len(all[0].Records) != 2 || len(all[1].Records) != 1 {
		t.Fatalf("got %+v", all)
	}
	if !all[0].Updated.Equal(at(3).Time) || all[0].Version != "20261122T030003-000000Z" {
		t.Errorf("got version %s of %v", all[0].Version, all[0].Updated)
	}
	// Records that came apart, as one that was withdrawn alone, are not one Consent any more: each is there, and can be shown.
	st.Records[2].WithdrawnAt = consent.Time{}
	if all := consentfhir.Of(st); len(all) != 3 || all[2].ID != st.Records[2].ID || !all[0].Holds(first) || all[0].Holds(all[2].ID) {
		t.Errorf("got %+v of records that came apart", all)
	}
	if consentfhir.Same("a", "b") || !consentfhir.Same("a", "a") || consentfhir.Sibling(first, "b") != "" || consentfhir.Sibling("a", "bbbbbbbb") != "" {
		t.Error("short ids have siblings")
	}
	if !reflect.DeepEqual(consentfhir.Of(consent.Standing{}), []consentfhir.Consent(nil)) {
		t.Error("an empty standing has Consents")
	}
}
