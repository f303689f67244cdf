package e2e_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// vector is one line of policy/testdata/decisions.ndjson: a worked case of decision.md.
type vector struct {
	Name    string
	At      time.Time
	Request struct {
		Actor struct {
			Kind, Assurance, Organization, Practitioner, ID, Authority string
			Categories                                                 []policy.ProviderCategory
			Relationship                                               policy.Relationship
			PatientID                                                  consent.PersonKey `json:"patient_id"`
		}
		Purpose   policy.PurposeOfUse
		Emergency *struct {
			Reason            string
			ConsentImpossible bool `json:"consent_impossible"`
		}
		Channel      policy.Channel
		Holder       policy.Holder
		DataCategory fhir.DataCategory `json:"data_category"`
	}
	Patient struct {
		ID                     consent.PersonKey
		BirthDate              string `json:"birth_date"`
		Deceased               bool
		Incapacitated          bool
		RepresentativesBlocked []string            `json:"representatives_blocked"`
		WithheldFromPatient    []fhir.DataCategory `json:"withheld_from_patient"`
	}
	Consents []consent.Record
	Expect   struct {
		Decision    string
		Reason      policy.Reason
		Obligations []policy.Obligation
		Records     []consent.RecordID
	}
}

// input is the request, for these records.
func (v vector) input(records []consent.Record) policy.Input {
	a := v.Request.Actor
	assurance, _ := policy.ParseAssurance(a.Assurance)
	in := policy.Input{
		At: v.At,
		Request: policy.Request{
			Actor: policy.Actor{
				Kind: map[string]policy.SubjectKind{
					"patient": policy.KindPatient, "representative": policy.KindRepresentative, "provider": policy.KindProvider,
				}[a.Kind],
				Assurance: assurance, Categories: a.Categories, Organization: a.Organization, Practitioner: a.Practitioner,
				Relationship: a.Relationship, PatientKey: a.PatientID, Representative: a.ID, Authority: a.Authority,
			},
			Purpose: v.Request.Purpose, Channel: v.Request.Channel, Holder: v.Request.Holder, Category: v.Request.DataCategory,
		},
		Patient: policy.Patient{
			Key: v.Patient.ID, BirthDate: v.Patient.BirthDate, Deceased: v.Patient.Deceased,
			Flags: consent.Flags{
				Incapacitated: v.Patient.Incapacitated, RepresentativesBlocked: v.Patient.RepresentativesBlocked,
				WithheldFromPatient: v.Patient.WithheldFromPatient,
			},
		},
		Records: records,
	}
	if e := v.Request.Emergency; e != nil {
		in.Request.Emergency = &policy.Emergency{Reason: e.Reason, ConsentImpossible: e.ConsentImpossible}
	}
	return in
}

// person returns the patient of a vector; each has its own.
func (v vector) person() fhir.Identifier {
	return fhir.Identifier{System: "https://example.org/vectors", Value: v.Name}
}

// lines returns the vector's records as lines of a file to import, and which of them become one record: those that differ only in their
// withdrawal are one consent, before and after. A permit gets the proof that a write requires and a decision ignores.
func (v vector) lines(t *testing.T, profile consentfhir.Profile) (lines []string, same [][]consent.RecordID) {
	t.Helper()
	write := func(r consent.Record) string {
		line, err := profile.Write(consentfhir.Consent{Patient: v.person(), Records: []consent.Record{r}})
		if err != nil {
			t.Fatalf("%s: a consent that FHIR cannot say: %v", v.Name, err)
		}
		return string(line)
	}
	var unwithdrawn []string
	for _, r := range v.Consents {
		id := r.ID
		r.ID, r.RecordedBy = "", "elsewhere"
		if r.Decision == consent.DecisionPermit {
			proven := permit(r.Party)
			r.Method, r.Information = proven.Method, proven.Information
		}
		lines = append(lines, write(r))
		if r.Status == consent.StatusWithdrawn {
			r.Status, r.WithdrawnAt, r.WithdrawnBy = consent.StatusActive, consent.Time{}, nil
		}
		before := write(r)
		at := slices.Index(unwithdrawn, before)
		if at < 0 {
			at = len(same)
			unwithdrawn, same = append(unwithdrawn, before), append(same, nil)
		}
		same[at] = append(same[at], id)
	}
	return lines, same
}

// TestDecisionVectorsThroughImport: `gateway consent import` imports the consents of every vector, as FHIR Consents with their recording times,
// and what is on file then leads to the vector's decision, for its reason, by the same records. If a write refuses a consent of a vector, it is
// for one of three reasons.
func TestDecisionVectorsThroughImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, _, _, _ := w.configure("channels: { regional: { consent: explicit } }",
		"channels: { regional: { consent: explicit }, lsp: { consent: explicit }, medmij: { consent: explicit, minimum_age: 16 }, referral: { consent: implied } }")
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	vectors := readDecisionVectors(t)
	profile := consentfhir.Profile{Groups: slices.Sorted(maps.Keys(tables.Groups))}
	var text strings.Builder
	var owner []int // of each line: the vector
	same := make([][][]consent.RecordID, len(vectors))
	for i, v := range vectors {
		var lines []string
		lines, same[i] = v.lines(t, profile)
		for _, line := range lines {
			text.WriteString(line + "\n")
			owner = append(owner, i)
		}
	}
	imported := command(t, "", "consent", "import", "--config", file, w.write("vectors.ndjson", text.String()))
	refused, reasons := map[int]bool{}, map[string]int{}
	for _, line := range regexp.MustCompile(`(?m)^line (\d+): refused: consent record: (.*)$`).FindAllStringSubmatch(imported.stderr, -1) {
		n, _ := strconv.Atoi(line[1])
		refused[owner[n-1]] = true
		reasons[line[2]]++
	}
	if want := map[string]int{
		"party.category: is not configured": 33, "valid_to: is not after valid_from": 23, "withdrawn_at: is before recorded_at": 68,
	}; !maps.Equal(reasons, want) || imported.code != 1 {
		t.Errorf("got exit code %d and refusals %v, want 1 and %v\n%s", imported.code, reasons, want, imported.stdout)
	}

	p, err := policy.New(policy.Config{
		Categories:       []policy.ProviderCategory{"gp", "pharmacy", "hospital", "lab", "nursing", "ggz", "other"},
		MinimumAssurance: policy.AssuranceSubstantial, EmergencyCategories: []policy.ProviderCategory{"gp", "hospital"},
		Channels: map[policy.Channel]policy.ChannelRule{
			"referral": {Implied: true}, "medmij": {MinimumAge: 16}, "regional": {}, "lsp": {},
		},
		DefaultMinimumAge: 12, Groups: tables.Groups, GroupIncludes: tables.GroupIncludes,
	})
	if err != nil {
		t.Fatal(err)
	}
	through := 0
	for i, v := range vectors {
		if refused[i] {
			continue
		}
		through++
		st, _, err := w.store.Standing(t.Context(), w.store.Key(v.person()))
		if err != nil || len(st.Records) != len(same[i]) {
			t.Fatalf("%s: %d records on file (%v), want %d", v.Name, len(st.Records), err, len(same[i]))
		}
		got := p.Decide(v.input(st.Records))
		var deciding []consent.RecordID // under the names of the vector
		for n, r := range st.Records {
			if slices.Contains(got.Records, r.ID) {
				deciding = append(deciding, same[i][n]...)
			}
		}
		slices.Sort(deciding)
		if got.Permit != (v.Expect.Decision == "permit") || got.Reason != v.Expect.Reason ||
			!slices.Equal(got.Obligations, v.Expect.Obligations) || !slices.Equal(deciding, v.Expect.Records) {
			t.Errorf("%s: got %+v by %v, want %+v", v.Name, got, deciding, v.Expect)
		}
	}
	if want := 976; through != want {
		t.Errorf("%d of %d vectors went through, want %d: all but those of which a write refuses a consent", through, len(vectors), want)
	}
}

func readDecisionVectors(t *testing.T) (vectors []vector) {
	t.Helper()
	f, err := os.Open("../../policy/testdata/decisions.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("vector %d: %v", len(vectors)+1, err)
		}
		vectors = append(vectors, v)
	}
	if lines.Err() != nil || len(vectors) != 1089 {
		t.Fatalf("got %d vectors (%v), want 1089", len(vectors), lines.Err())
	}
	return vectors
}
