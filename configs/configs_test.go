package configs_test

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"zorgsluis/configs"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// shipped copies the built-in tables, so that a case can change one.
func shipped(t *testing.T) fstest.MapFS {
	t.Helper()
	copied := fstest.MapFS{}
	for _, name := range []string{
		"agb-prefixes.yaml", "assurance.yaml", "blocked.yaml", "data-categories.yaml", "organisation-types.yaml",
		"provider-categories.yaml", "secrecy.yaml", "sensitive-codes.yaml", "uzi-roles.yaml",
	} {
		data, err := fs.ReadFile(configs.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		copied[name] = &fstest.MapFile{Data: data}
	}
	return copied
}

func TestDefaultTables(t *testing.T) {
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tables.CategoryNames(), []policy.ProviderCategory{"ggz", "gp", "hospital", "lab", "nursing", "other", "pharmacy"}; !slices.Equal(got, want) {
		t.Errorf("provider categories: got %v, want %v", got, want)
	}
	if got := tables.ProviderCategories[1]; got.Dutch != "Huisartsen en huisartsenposten" || got.English != "General practices and out-of-hours GP centres" {
		t.Errorf("got %+v", got)
	}
	if tables.MinimumAssurance != policy.AssuranceSubstantial || tables.Assurance.Level("http://eidas.europa.eu/LoA/high") != policy.AssuranceHigh || len(tables.Assurance) != 11 {
		t.Errorf("assurance: got %v, %v", tables.MinimumAssurance, tables.Assurance)
	}
	if got := tables.Providers.Resolve(policy.Signals{UZIRoles: []string{"01.015"}}); !slices.Equal(got, []policy.ProviderCategory{"gp"}) {
		t.Errorf("a general practitioner: got %v", got)
	}
	insurer := policy.Signals{OrganizationType: "Z3", Identifiers: []fhir.Identifier{{System: "urn:oid:2.16.840.1.113883.2.4.6.4", Value: "0104"}}}
	if got := tables.Providers.Resolve(insurer); !slices.Equal(got, []policy.ProviderCategory{"insurer"}) {
		t.Errorf("an organization with a UZOVI, written by its OID: got %v", got)
	}
	doctor, other := policy.Subject{Practitioner: "uzi:1", Roles: []string{"01.015"}}, policy.Subject{Practitioner: "uzi:1", Roles: []string{"99.000"}}
	if got, none := tables.Providers.Secrecy(doctor, ""), tables.Providers.Secrecy(other, ""); got != "big-3" || none != "" {
		t.Errorf("basis of secrecy: got %q and %q", got, none)
	}
	if got, want := tables.Groups["GGC013"], []fhir.DataCategory{"AllergyIntolerance", "MedicationRequest", "MedicationUse"}; !slices.Equal(got, want) {
		t.Errorf("GGC013: got %v, want %v", got, want)
	}
	if got, want := tables.GroupIncludes["GGC002"], []string{"GGC012", "GGC013"}; !slices.Equal(got, want) {
		t.Errorf("GGC002 includes: got %v, want %v", got, want)
	}
	if got := tables.Labels["GGC012"]; got != (configs.Label{Dutch: "Uitslagen", English: "Results"}) {
		t.Errorf("GGC012: got label %q", got)
	}
	if !slices.Contains(tables.Groups["GGC002"], fhir.Unclassified) {
		t.Error("Unclassified is not in GGC002")
	}
	for _, alone := range []fhir.DataCategory{"Restricted", "Consent", "Logging", "CareServiceEntities"} {
		for group, members := range tables.Groups {
			if slices.Contains(members, alone) {
				t.Errorf("%s is in group %s", alone, group)
			}
		}
		if !slices.Contains(tables.DataCategories, alone) {
			t.Errorf("%s is not a data category", alone)
		}
	}
	for _, rule := range []fhir.CategoryRule{
		{Category: "Consent", Type: "Consent"},
		{Category: "AdvanceDirective", Type: "Consent", Element: "category", Code: fhir.Coding{System: "http://snomed.info/sct", Code: "11341000146107"}},
		{Category: "ObservationVitalSigns", Type: "Observation", Element: "code", Code: fhir.Coding{System: "http://loinc.org", Code: "85354-9"}},
		{Category: "ObservationSurvey", Type: "QuestionnaireResponse"},
	} {
		if !slices.Contains(tables.Rules(fhir.R4), rule) {
			t.Errorf("lacks the rule %+v", rule)
		}
	}
	for _, code := range []fhir.SensitiveCode{
		{Coding: fhir.Coding{System: "urn:oid:2.16.840.1.113883.6.73", Code: "N05"}, Prefix: true, Category: "Restricted"},
		{Coding: fhir.Coding{System: "urn:oid:2.16.840.1.113883.6.96", Code: "5602001"}, Category: "Restricted"},
		{Coding: fhir.Coding{System: "http://hl7.org/fhir/sid/icd-10-nl", Code: "F"}, Prefix: true, Category: "Restricted"},
		{Coding: fhir.Coding{System: "http://www.whocc.no/atc", Code: "N06A"}, Prefix: true, Category: "Restricted"},
		{Coding: fhir.Coding{System: "http://hl7.org/fhir/sid/icd-10", Code: "B24"}, Prefix: true, Category: "Restricted"},
		{Coding: fhir.Coding{System: "http://snomed.info/sct", Code: "5602001"}, Category: "Restricted"},
		{Coding: fhir.Coding{System: "http://hl7.org/fhir/sid/icpc-1-nl", Code: "P"}, Prefix: true, Category: "Restricted"},
		{Coding: fhir.Coding{System: "http://hl7.org/fhir/v3/ActCode", Code: "PSY"}, Category: "Restricted"},
	} {
		if !slices.Contains(tables.Sensitive, code) {
			t.Errorf("lacks the sensitive code %+v", code)
		}
	}
}

// Each version has the rules for its own types and code systems; those without a version apply to both.
func TestRulesOfAVersion(t *testing.T) {
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	observation := func(system, code string) fhir.CategoryRule {
		return fhir.CategoryRule{Category: "ObservationLaboratory", Type: "Observation", Element: "category", Code: fhir.Coding{System: system, Code: code}}
	}
	const r4, stu3 = fhir.R4, fhir.STU3
	tests := []struct {
		name string
		rule fhir.CategoryRule
		in   []fhir.Version
	}{
		{"a type of both", fhir.CategoryRule{Category: "Condition", Type: "Condition"}, []fhir.Version{r4, stu3}},
		{"a type of R4", fhir.CategoryRule{Category: "Request", Type: "ServiceRequest"}, []fhir.Version{r4}},
		{"a request of STU3", fhir.CategoryRule{Category: "Request", Type: "ProcedureRequest"}, []fhir.Version{stu3}},
		{"a referral of STU3", fhir.CategoryRule{Category: "Request", Type: "ReferralRequest"}, []fhir.Version{stu3}},
		{"genomics of R4", fhir.CategoryRule{Category: "Genomics", Type: "MolecularSequence"}, []fhir.Version{r4}},
		{"genomics of STU3", fhir.CategoryRule{Category: "Genomics", Type: "Sequence"}, []fhir.Version{stu3}},
		{"images of STU3", fhir.CategoryRule{Category: "Imaging", Type: "ImagingManifest"}, []fhir.Version{stu3}},
		{"CA-2 the Dutch category", observation("http://snomed.info/sct", "275711006"), []fhir.Version{r4, stu3}},
		{"CA-2 HL7's category in R4", observation("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory"), []fhir.Version{r4, stu3}},
		{"CA-2 HL7's category in STU3", observation("http://hl7.org/fhir/observation-category", "laboratory"), []fhir.Version{stu3}},
		{"no rule at all", fhir.CategoryRule{Category: "Condition", Type: "Flag"}, nil},
	}
	for _, tt := range tests {
		for _, v := range []fhir.Version{r4, stu3, 0} {
			if got, want := slices.Contains(tables.Rules(v), tt.rule), slices.Contains(tt.in, v); got != want {
				t.Errorf("%s, version %d: got %v, want %v", tt.name, v, got, want)
			}
		}
	}
}

func TestTablesMakeAPolicyAndACatalogue(t *testing.T) {
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	c := tables.PolicyConfig()
	c.DefaultMinimumAge = 12
	if _, err := policy.New(c); err != nil {
		t.Error(err)
	}
	catalogue := tables.Catalogue([]string{"regional"})
	if !slices.Contains(catalogue.ProviderCategories, "gp") || !slices.Contains(catalogue.DataCategories, "Condition") ||
		!slices.Equal(slices.Sorted(slices.Values(catalogue.Groups)), slices.Sorted(maps.Keys(tables.Groups))) || !slices.Equal(catalogue.Channels, []string{"regional"}) {
		t.Errorf("got %+v", catalogue)
	}
}

func TestHashFollowsEveryFile(t *testing.T) {
	files := shipped(t)
	seen := map[string]string{}
	load := func(change string) {
		t.Helper()
		tables, err := configs.Load(files)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[tables.Hash]; ok {
			t.Errorf("%s and %s give the same hash", before, change)
		}
		seen[tables.Hash] = change
	}
	load("nothing changed")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		files[name].Data = append(files[name].Data, "\n# a comment\n"...)
		load(name)
	}
	first, _ := configs.Load(shipped(t))
	defaults, err := configs.Default()
	if err != nil || first.Hash != defaults.Hash || len(first.Hash) != 64 {
		t.Errorf("the same files: got %v and %v, %v", first, defaults, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name, file, old, new string // as in edit
		want                 []string
	}{
		{"a file that is missing", "uzi-roles.yaml", "", "", []string{"uzi-roles.yaml: cannot be read"}},
		{"an unknown key", "uzi-roles.yaml", `{ name: "Huisarts", group: gp }`, `{ name: "Huisarts", groep: gp }`, []string{
			"uzi-roles.yaml: uzi_roles.01.015.groep: unknown key; known here: group, name"}},

		{"what others refer to: no provider categories", "provider-categories.yaml", "*", "provider_categories: {}\n", []string{
			"provider-categories.yaml: provider_categories: has no categories"}},
		{"a provider category that is blocked by law", "provider-categories.yaml", "  gp: ", "  insurer: { label: x }\n  gp: ", []string{
			"provider-categories.yaml: provider_categories.insurer: is blocked by law and cannot be a category that may ask"}},
		{"a provider category without a label", "provider-categories.yaml", `label: "Laboratoria", `, "", []string{
			"provider-categories.yaml: provider_categories.lab: has no label"}},
		{"a provider category with a bad name", "provider-categories.yaml", "  gp: ", "  \"g p\": { label: x }\n  gp: ", []string{
			"provider-categories.yaml: provider_categories.\"g p\": is not a name of letters, digits and hyphens"}},

		{"an organisation type of an unknown category", "organisation-types.yaml", "category: pharmacy, vs: true }\n  J8", "category: farmacie, vs: true }\n  J8", []string{
			"organisation-types.yaml: organisation_types.A1.category: is not a category of provider-categories.yaml, deny or review"}},
		{"an organisation type in lower case", "organisation-types.yaml", "  J8:", "  j8:", []string{
			"organisation-types.yaml: organisation_types.j8: is not an organisation type such as V4"}},
		{"an AGB prefix of an unknown category", "agb-prefixes.yaml", `"31": lab`, `"31": labs`, []string{
			"agb-prefixes.yaml: agb_prefix.31: is not a category of provider-categories.yaml, deny or review"}},
		{"an AGB prefix of four digits", "agb-prefixes.yaml", `"31": lab`, `"3100": lab`, []string{"agb-prefixes.yaml: agb_prefix.3100: is not two digits"}},
		{"an AGB code of two digits", "agb-prefixes.yaml", `"0329": ggz`, `"03": ggz`, []string{"agb-prefixes.yaml: overrides.03: is not four digits"}},
		{"an AGB code without quotes", "agb-prefixes.yaml", `"0329": ggz`, `0329: ggz`, []string{
			"agb-prefixes.yaml: overrides: has a key that is not a string: put it in quotes"}},
		{"a role of an unknown category", "uzi-roles.yaml", `{ name: "Huisarts", group: gp }`, `{ name: "Huisarts", group: GP }`, []string{
			"uzi-roles.yaml: uzi_roles.01.015.group: is not a category of provider-categories.yaml, deny or review"}},
		{"a role of another form", "uzi-roles.yaml", `"01.015"`, `"01015"`, []string{"uzi-roles.yaml: uzi_roles.01015: is not a role code such as 01.015"}},
		{"a role that is blocked, nobody says as what", "uzi-roles.yaml", `{ name: "Sportarts", group: hospital }`, `{ name: "Sportarts", group: BLOCKED }`, []string{
			"uzi-roles.yaml: uzi_roles.01.074.group: is BLOCKED, but blocked.yaml does not say as what"}},

		{"a basis of secrecy that is not there", "secrecy.yaml", `"83": big-34 `, `"83": big-43 `, []string{
			"secrecy.yaml: secrecy.professions.83: is not a basis of secrecy.yaml, nor none"}},
		{"a profession without an answer", "secrecy.yaml", "professions:\n    \"01\": big-3     # arts\n", "professions:\n", []string{
			"secrecy.yaml: secrecy.professions: lacks an answer for 01 (role 01.000): a basis, or none"}},
		{"a basis of secrecy for a role that nobody has", "secrecy.yaml", `roles: {}`, `roles: { "99.999": employment }`, []string{
			"secrecy.yaml: secrecy.roles.99.999: is not a role of uzi-roles.yaml"}},
		{"what others refer to: a basis of secrecy that is there twice", "secrecy.yaml", `id: big-34,`, `id: big-3,`, []string{
			"secrecy.yaml: secrecy.bases[1].id: is not a name of letters, digits and hyphens, or is used twice"}},
		{"organisations that nothing binds", "secrecy.yaml", `organisations: wgbo-457`, ``, []string{
			"secrecy.yaml: secrecy.organisations: is not a basis of secrecy.yaml, nor none"}},

		{"a blocked party that the law does not know", "blocked.yaml", "id: insurer ", "id: baker ", []string{
			"blocked.yaml: blocked[0].id: is not one of the parties that the law blocks", "blocked.yaml: blocked: lacks insurer, which the law blocks"}},
		{"a blocked AGB code of another form", "blocked.yaml", `"9803"`, `"98"`, []string{"blocked.yaml: blocked[0].agb_codes[0]: is not four digits"}},
		{"a blocked role of another form", "blocked.yaml", `["01.048"]`, `["01.048", ""]`, []string{"blocked.yaml: blocked[2].uzi_roles[1]: is not a role code such as 01.015"}},
		{"a blocked purpose with a space", "blocked.yaml", `"occupational-health"`, `"occupational health"`, []string{"blocked.yaml: blocked[3].purposes[4]: is not a code"}},
		{"a blocked organisation that is empty", "blocked.yaml", `organisations: []`, `organisations: [""]`, []string{"blocked.yaml: blocked[3].organisations[0]: is not an identifier"}},
		{"a blocked identifier system that is no URI", "blocked.yaml", `"http://fhir.nl/fhir/NamingSystem/uzovi"`, `"uzovi"`, []string{
			"blocked.yaml: blocked[0].identifier_systems[0]: is not an absolute URI"}},

		{"a data category in an unknown group", "data-categories.yaml", "[Specimen], mitz: GGC012", "[Specimen], mitz: GGC021", []string{
			"data-categories.yaml: data_categories.Specimen.mitz: is not a group"}},
		{"a data category that does not say its group", "data-categories.yaml", "[Specimen], mitz: GGC012", "[Specimen]", []string{
			"data-categories.yaml: data_categories.Specimen: has no mitz: name a group, or none"}},
		{"Restricted in a group", "data-categories.yaml", "Restricted:              { mitz: none,", "Restricted: { mitz: GGC002,", []string{
			"data-categories.yaml: data_categories.Restricted: must be in no group (mitz: none)"}},
		{"Consent in a group", "data-categories.yaml", "fhir: [Consent], mitz: none", "fhir: [Consent], mitz: GGC002", []string{
			"data-categories.yaml: data_categories.Consent: must be in no group (mitz: none)"}},
		{"Logging in a group", "data-categories.yaml", "fhir: [AuditEvent], mitz: none", "fhir: [AuditEvent], mitz: GGC002", []string{
			"data-categories.yaml: data_categories.Logging: must be in no group (mitz: none)"}},
		{"Unclassified in no group", "data-categories.yaml", "Unclassified:            { mitz: GGC002,", "Unclassified: { mitz: none,", []string{
			"data-categories.yaml: data_categories.Unclassified: must be in a group"}},
		{"what others refer to: a category that is missing", "data-categories.yaml", "  Restricted:", "  Withheld:", []string{
			"data-categories.yaml: data_categories.Restricted: is missing: the gateway itself gives it a meaning",
			"sensitive-codes.yaml: sensitive_codes[0]: names a category that is not in data-categories.yaml"}},
		{"a resource type that does not exist", "data-categories.yaml", "fhir: [Flag]", "fhir: [Flagg]", []string{
			"data-categories.yaml: data_categories.Alert.fhir[0]: names a resource type that neither FHIR R4 nor STU3 has"}},
		{"a resource type that STU3 does not have, for STU3", "data-categories.yaml", "fhir: [Flag]", "stu3: [ServiceRequest]", []string{
			"data-categories.yaml: data_categories.Alert.stu3[0]: names a resource type that FHIR STU3 does not have"}},
		{"a search for STU3 of the wrong form", "data-categories.yaml", "fhir: [Flag]", "stu3: [\"Flag?code=1\"]", []string{
			"data-categories.yaml: data_categories.Alert.stu3[0]: is not Type, Type?category=system|code or Type?code=system|code"}},
		{"a search by another parameter", "data-categories.yaml", "fhir: [Flag]", "fhir: [\"Flag?status=http://x|y\"]", []string{
			"data-categories.yaml: data_categories.Alert.fhir[0]: is not Type, Type?category=system|code or Type?code=system|code"}},
		{"a search by a code without a system", "data-categories.yaml", "fhir: [Flag]", "fhir: [\"Flag?code=123\"]", []string{
			"data-categories.yaml: data_categories.Alert.fhir[0]: is not Type, Type?category=system|code or Type?code=system|code"}},
		{"a search by a system that is no URI", "data-categories.yaml", "fhir: [Flag]", "fhir: [\"Flag?code=snomed|123\"]", []string{
			"data-categories.yaml: data_categories.Alert.fhir[0]: is not Type, Type?category=system|code or Type?code=system|code"}},
		{"a Dutch search of the wrong form", "data-categories.yaml", "fhir: [Flag]", "nl: [\"flag\"]", []string{
			"data-categories.yaml: data_categories.Alert.nl[0]: is not Type, Type?category=system|code or Type?code=system|code"}},
		{"a data category with a bad name", "data-categories.yaml", "  Alert: ", "  Al_ert: ", []string{
			"data-categories.yaml: data_categories.Al_ert: is not a name of letters, digits and hyphens"}},
		{"a data category with the name of a group", "data-categories.yaml", "  Alert: ", "  GGC012: ", []string{
			"data-categories.yaml: data_categories.GGC012: is a group as well"}},
		{"a group without a label", "data-categories.yaml", `label: "Uitslagen", `, "", []string{"data-categories.yaml: groups.GGC012: has no label"}},
		{"a group with a bad name", "data-categories.yaml", "  GGC012: { label", "  \"GGC 1\": { label: x }\n  GGC012: { label", []string{
			"data-categories.yaml: groups.\"GGC 1\": is not a name of letters, digits and hyphens"}},
		{"a group that includes what is no group", "data-categories.yaml", "includes: [GGC012, GGC013]", "includes: [GGC012, GGC031]", []string{
			"data-categories.yaml: groups.GGC002.includes[1]: is not a group"}},
		{"groups that include each other", "data-categories.yaml", "GGC013] }\n  GGC012: { label", "GGC013] }\n  GGC012: { includes: [GGC013], label", []string{
			"data-categories.yaml: groups.GGC002.includes[0]: includes other groups itself: one level is allowed"}},

		{"a sensitive code of an unknown category", "sensitive-codes.yaml", "*", sensitive(`code: "1", category: Secret`), []string{
			"sensitive-codes.yaml: sensitive_codes[0]: names a category that is not in data-categories.yaml"}},
		{"a sensitive code that is a prefix too", "sensitive-codes.yaml", "*", sensitive(`code: "1", prefix: "1", category: Restricted`), []string{
			"sensitive-codes.yaml: sensitive_codes[0]: must have either a code or a prefix"}},
		{"a sensitive code without a code", "sensitive-codes.yaml", "*", sensitive(`category: Restricted`), []string{
			"sensitive-codes.yaml: sensitive_codes[0]: must have either a code or a prefix", "sensitive-codes.yaml: sensitive_codes[0]: has a code or prefix of the wrong form"}},
		{"a sensitive code with a space", "sensitive-codes.yaml", "*", sensitive(`code: "1 ", category: Restricted`), []string{
			"sensitive-codes.yaml: sensitive_codes[0]: has a code or prefix of the wrong form"}},
		{"a sensitive code without a system", "sensitive-codes.yaml", "*", "sensitive_codes:\n  - { code: \"1\", category: Restricted }\n", []string{
			"sensitive-codes.yaml: sensitive_codes[0]: has no system, or one that is not an absolute URI"}},

		{"another name of a system that is not there", "sensitive-codes.yaml", `"http://www.whocc.no/atc": [`, `"http://www.whocc.no/atcc": [`, []string{
			"sensitive-codes.yaml: other_names.http://www.whocc.no/atcc: is not a system of this file"}},
		{"another name that is no URI", "sensitive-codes.yaml", `["urn:oid:2.16.840.1.113883.6.73"]`, `["2.16.840.1.113883.6.73"]`, []string{
			"sensitive-codes.yaml: other_names.http://www.whocc.no/atc[0]: is not an absolute URI"}},
		{"another name that is a system already", "sensitive-codes.yaml", `["urn:oid:2.16.840.1.113883.6.73"]`, `["http://snomed.info/sct"]`, []string{
			"sensitive-codes.yaml: other_names.http://www.whocc.no/atc[0]: is a system of this file itself, or is there twice"}},
		{"a code that is never disclosed without a system", "sensitive-codes.yaml", "never_disclosed: []", "never_disclosed: [{ code: own }]", []string{
			"sensitive-codes.yaml: never_disclosed[0]: has no system, or one that is not an absolute URI"}},
		{"a code that is never disclosed without a code", "sensitive-codes.yaml", "never_disclosed: []", "never_disclosed: [{ system: \"urn:note\" }]", []string{
			"sensitive-codes.yaml: never_disclosed[0]: has no code, or one of the wrong form"}},
		{"a code that is never disclosed of another member", "sensitive-codes.yaml", "never_disclosed: []", "never_disclosed: [{ system: \"urn:note\", prefix: o }]", []string{
			"sensitive-codes.yaml: never_disclosed[0].prefix: unknown key; known here: code, system"}},
		{"a data category of what is never disclosed", "data-categories.yaml", "  Alert: ", "  NeverDisclosed: ", []string{
			"data-categories.yaml: data_categories.NeverDisclosed: is what never_disclosed of sensitive-codes.yaml gives, and no consent may name it"}},
		{"a sensitive code of what is never disclosed", "sensitive-codes.yaml", "*", sensitive(`code: "1", category: NeverDisclosed`), []string{
			"sensitive-codes.yaml: sensitive_codes[0]: names a category that is not in data-categories.yaml"}},

		{"levels in another order", "assurance.yaml", "[low, substantial, high]", "[high, substantial, low]", []string{"assurance.yaml: assurance.order: must be low, substantial, high"}},
		{"a default level that asks for nothing", "assurance.yaml", "minimum_default: substantial", "minimum_default: none", []string{
			"assurance.yaml: assurance.minimum_default: must be low, substantial or high"}},
		{"no default level", "assurance.yaml", "minimum_default: substantial", "", []string{
			"assurance.yaml: assurance.minimum_default: must be low, substantial or high"}},
		{"a level that does not exist", "assurance.yaml", "loa4\": high", "loa4\": hoog", []string{
			"assurance.yaml: assurance.map.urn:etoegang:core:assurance-class:loa4: must be none, low, substantial or high"}},
		{"a claim value with a space", "assurance.yaml", "loa4\"", "loa4 \"", []string{
			"assurance.yaml: assurance.map.\"urn:etoegang:core:assurance-class:loa4 \": is not a claim value"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := shipped(t)
			line := edit(t, files, tt.file, tt.old, tt.new)
			tables, err := configs.Load(files)
			if tables != nil || err == nil {
				t.Fatalf("got %v, %v, want no tables and an error", tables, err)
			}
			got := problems(t, err)
			if at := lineOf.FindStringSubmatch(got[0]); at != nil && at[1] != strconv.Itoa(line) {
				t.Errorf("got %q, want line %d", got[0], line)
			}
			for i := range got {
				got[i] = lineOf.ReplaceAllString(got[i], ".yaml:")
			}
			if !slices.Equal(got[:min(len(got), len(tt.want))], tt.want) {
				t.Errorf("got %q, want it to begin with %q", got, tt.want)
			}
			if others := strings.HasPrefix(tt.name, "what others refer to"); !others && len(got) > len(tt.want) {
				t.Errorf("got %q beside what was wanted", got[len(tt.want):])
			}
		})
	}
}

// lineOf matches the line in a problem.
var lineOf = regexp.MustCompile(`\.yaml:([0-9]+):`)

// edit replaces old in a file and returns its line; an empty old removes the file, and "*" is all of it.
func edit(t *testing.T, files fstest.MapFS, name, old, new string) (line int) {
	t.Helper()
	content := string(files[name].Data)
	switch old {
	case "":
		delete(files, name)
		return 0
	case "*":
		files[name].Data = []byte(new)
		return min(strings.Count(new, "\n"), 2) // of the one entry
	}
	before, after, found := strings.Cut(content, old)
	if !found {
		t.Fatalf("%s does not hold %q", name, old)
	}
	files[name].Data = []byte(before + new + after)
	return 1 + strings.Count(before, "\n")
}

func sensitive(rest string) string {
	return "sensitive_codes:\n  - { system: \"http://snomed.info/sct\", " + rest + " }\n"
}

func TestLoadReportsAllFilesAtOnce(t *testing.T) {
	files := shipped(t)
	delete(files, "assurance.yaml")
	files["uzi-roles.yaml"].Data = []byte("uzi_roles: [1]\n")
	files["blocked.yaml"].Data = []byte("blocked: []\n")
	_, err := configs.Load(files)
	want := []string{
		"assurance.yaml: cannot be read", "blocked.yaml:1: blocked: lacks insurer, which the law blocks", "blocked.yaml:1: blocked: lacks company-doctor, which the law blocks",
		"blocked.yaml:1: blocked: lacks insurance-doctor, which the law blocks", "blocked.yaml:1: blocked: lacks medical-examiner, which the law blocks",
		"uzi-roles.yaml:1: uzi_roles: must hold keys with values",
	}
	if got := problems(t, err); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadNeedsEveryFile(t *testing.T) {
	for name := range shipped(t) {
		files := shipped(t)
		delete(files, name)
		tables, err := configs.Load(files)
		if got := problems(t, err); tables != nil || !slices.Contains(got, name+": cannot be read") {
			t.Errorf("without %s: got %v, %q", name, tables, got)
		}
	}
}

func TestLoadRefusesMoreDataCategoriesThanTheFilterHolds(t *testing.T) {
	files := shipped(t)
	var more strings.Builder
	for i := range 300 {
		fmt.Fprintf(&more, "  More%d: { fhir: [Flag], mitz: GGC002 }\n", i)
	}
	edit(t, files, "data-categories.yaml", "data_categories:\n", "data_categories:\n"+more.String())
	if tables, err := configs.Load(files); err == nil || tables != nil {
		t.Errorf("got %v, %v, want no tables and an error", tables, err)
	}
}

// TestWhatIsNeverDisclosedIsTheOperators: the shipped list is empty, an operator's entry reaches the classifier, and it changes the hash, since
// instances with and without it decide differently.
func TestWhatIsNeverDisclosedIsTheOperators(t *testing.T) {
	never := func(s fhir.SensitiveCode) bool { return s.Category == fhir.NeverDisclosed }
	before, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	files := shipped(t)
	edit(t, files, "sensitive-codes.yaml", "never_disclosed: []", "never_disclosed:\n  - { system: \"urn:note\", code: own }")
	after, err := configs.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	want := fhir.SensitiveCode{Coding: fhir.Coding{System: "urn:note", Code: "own"}, Category: fhir.NeverDisclosed}
	if slices.ContainsFunc(before.Sensitive, never) || !slices.Contains(after.Sensitive, want) || before.Hash == after.Hash {
		t.Errorf("got %+v with hash %s, want %+v and another hash than %s", after.Sensitive, after.Hash, want, before.Hash)
	}
	edit(t, files, "sensitive-codes.yaml", "\nnever_disclosed:\n  - { system: \"urn:note\", code: own }", "")
	if older, err := configs.Load(files); err != nil || slices.ContainsFunc(older.Sensitive, never) {
		t.Errorf("a folder that is older than the list: got %v, want it to be empty", err)
	}
}

// TestADenyAddedByAnOperatorEndsTheSearch tests the effect of an edit of the tables.
func TestADenyAddedByAnOperatorEndsTheSearch(t *testing.T) {
	files := shipped(t)
	edit(t, files, "organisation-types.yaml", "J8: { name: \"Openbare apotheek\", category: pharmacy", "J8: { name: \"Openbare apotheek\", category: review")
	edit(t, files, "blocked.yaml", "organisations: []", "organisations: [\"ura:90000009\"]")
	edit(t, files, "uzi-roles.yaml", `{ name: "Sportarts", group: hospital }`, `{ name: "Sportarts", group: deny }`)
	tables, err := configs.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		in   policy.Signals
		want []policy.ProviderCategory
	}{
		{policy.Signals{OrganizationType: "J8", UZIRoles: []string{"17.000"}}, nil},
		{policy.Signals{OrganizationType: "V4", Organization: "ura:90000009"}, []policy.ProviderCategory{"medical-examiner"}},
		{policy.Signals{UZIRoles: []string{"01.074", "01.015"}}, nil},
	} {
		if got := tables.Providers.Resolve(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: got %v, want %v", tt.in, got, tt.want)
		}
	}
}
