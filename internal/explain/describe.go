// Package explain says in words what a configuration amounts to: to operators who check it or compare it with an older one, and to
// patients. About decisions it asks the policy; it does not infer them from the configuration.
package explain

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// Describe prints what the configuration in a file amounts to, after config.Load found it good.
func Describe(out io.Writer, s *config.Settings, file string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s is good.\n\npolicy\t%s\ntables\t%s\n", file, s.PolicyHash, s.Tables.Hash)
	describeWorld(w, s)
	describeProviders(w, s)
	describeNecessary(w, s)
	describeOwn(w, s)
	describeBlocked(w, s)
	for _, warning := range s.Warnings() {
		fmt.Fprintf(w, "\nwarning: %s", warning)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// describeWorld prints what is connected: sources, issuers, clients.
func describeWorld(w io.Writer, s *config.Settings) {
	for _, src := range s.File.Sources {
		fmt.Fprintf(w, "source\t%s\t%s\theld by %s (%s)\n", src.ID, src.BaseURL, src.Holder.Organization, src.Holder.Category)
	}
	for _, r := range s.File.Registries {
		fmt.Fprintf(w, "registry\t%s\t%s\tasked for treatment relations\n", r.Name, r.BaseURL)
	}
	for _, issuer := range s.File.Issuers {
		kind := cmp.Or(issuer.Kind.Fixed, "by claim "+issuer.Kind.Claim)
		fmt.Fprintf(w, "issuer\t%s\tcallers are %s\tchannel %s\n", issuer.URL, kind, issuer.Channel)
	}
	for _, f := range s.File.Followers {
		fmt.Fprintf(w, "follower\t%s\t%s\t%s\n", f.Name, f.Kind, cmp.Or(f.URL, f.Address, strings.Join(f.Addresses, ", ")))
	}
	fmt.Fprintf(w, "clients\t%s\n", strings.Join(slices.Sorted(maps.Keys(s.File.Clients)), ", "))
	fmt.Fprintf(w, "assurance\tat least %s\n", s.File.Policy.MinimumAssurance)
}

// probe is a question to the policy, with what varies here.
type probe struct {
	category  policy.ProviderCategory
	channel   policy.Channel
	purpose   policy.PurposeOfUse
	emergency bool
	records   func(fhir.DataCategory) []consent.Record
}

// permitted returns the data categories that the policy permits to a care provider of an adult who meets every other condition.
func permitted(s *config.Settings, p probe) []fhir.DataCategory {
	var permitted []fhir.DataCategory
	for _, data := range s.Tables.DataCategories {
		in := policy.Input{
			At: time.Now(),
			Request: policy.Request{
				Actor: policy.Actor{
					Kind: policy.KindProvider, Assurance: policy.AssuranceHigh, Categories: []policy.ProviderCategory{p.category},
					Organization: "ura:00000001", Practitioner: "uzi:000000001", Relationship: policy.RelationTreating,
				},
				Purpose: p.purpose, Channel: p.channel, Category: data,
				Holder: policy.Holder{Organization: "ura:00000002", Category: p.category},
			},
			Patient: policy.Patient{Key: "example", BirthDate: "1970-01-01"},
		}
		if p.emergency {
			in.Request.Emergency = &policy.Emergency{Reason: "unconscious", ConsentImpossible: true}
		}
		if p.records != nil {
			in.Records = p.records(data)
		}
		if s.Policy.Decide(in).Permit {
			permitted = append(permitted, data)
		}
	}
	return permitted
}

// describeProviders prints who may ever get what. Categories with the same answers share a line.
func describeProviders(w io.Writer, s *config.Settings) {
	fmt.Fprintf(w, "\nwhat care providers may get of an adult\n")
	fmt.Fprintf(w, "channel\tprovider category\tnothing on file\tconsent to everything\tconsent that names it\temergency, nothing on file\n")
	for _, channel := range slices.Sorted(maps.Keys(s.File.Policy.Channels)) {
		var order []string
		names := map[string][]string{}
		for _, category := range s.Tables.CategoryNames() {
			p := probe{category: category, channel: policy.Channel(channel), purpose: policy.PurposeTreatment}
			answers := []string{amount(s, permitted(s, p))}
			p.records = func(fhir.DataCategory) []consent.Record { return permits(category) }
			answers = append(answers, amount(s, permitted(s, p)))
			p.records = func(data fhir.DataCategory) []consent.Record { return permits(category, string(data)) }
			answers = append(answers, amount(s, permitted(s, p)))
			p = probe{category: category, channel: p.channel, purpose: policy.PurposeEmergency, emergency: true}
			line := strings.Join(append(answers, amount(s, permitted(s, p))), "\t")
			if names[line] == nil {
				order = append(order, line)
			}
			names[line] = append(names[line], string(category))
		}
		for _, line := range order {
			fmt.Fprintf(w, "%s\t%s\t%s\n", channel, strings.Join(names[line], ", "), line)
		}
	}
}

// describeNecessary prints the provider categories with a cap, and everything that the policy permits them with consent to each data
// category by name.
func describeNecessary(w io.Writer, s *config.Settings) {
	if len(s.File.Policy.Necessary) == 0 {
		return
	}
	fmt.Fprintf(w, "\nwhat is necessary for their work: nothing else, whatever the consent, but in an emergency\n")
	for _, name := range slices.Sorted(maps.Keys(s.File.Policy.Necessary)) {
		p := probe{category: policy.ProviderCategory(name), purpose: policy.PurposeTreatment}
		p.records = func(data fhir.DataCategory) []consent.Record { return permits(p.category, string(data)) }
		fmt.Fprintf(w, "%s\t%s\n", name, strings.Join(texts(permitted(s, p)), ", "))
	}
}

// permits returns a consent of an adult for one category of providers, to everything or to the named data.
func permits(category policy.ProviderCategory, data ...string) []consent.Record {
	return []consent.Record{{
		ID: "example", Status: consent.StatusActive, Decision: consent.DecisionPermit, Data: data,
		Party: consent.Side{Category: string(category)}, GivenBy: []string{consent.ByPatient},
		RecordedAt: consent.Time{Time: time.Now().Add(-time.Hour)},
	}}
}

// amount summarises which of all data categories these are.
func amount(s *config.Settings, permitted []fhir.DataCategory) string {
	var missing []string
	for _, data := range s.Tables.DataCategories {
		if !slices.Contains(permitted, data) {
			missing = append(missing, string(data))
		}
	}
	switch {
	case len(permitted) == 0:
		return "nothing"
	case len(missing) == 0:
		return "everything"
	case len(missing) <= 4:
		return "all but " + strings.Join(missing, ", ")
	default:
		return fmt.Sprintf("%d of %d categories", len(permitted), len(s.Tables.DataCategories))
	}
}

// describeOwn prints from which age patients may see their own record.
func describeOwn(w io.Writer, s *config.Settings) {
	fmt.Fprintf(w, "\npatients may see their own record\n")
	for _, channel := range slices.Sorted(maps.Keys(s.File.Policy.Channels)) {
		if age, ever := ownFrom(s, policy.Channel(channel)); ever {
			fmt.Fprintf(w, "%s\tfrom %d years\n", channel, age)
		}
	}
}

// ownFrom returns the age in years from which the policy lets patients see their own record over a channel, if ever.
func ownFrom(s *config.Settings, channel policy.Channel) (age int, ever bool) {
	now := time.Now()
	for age := range 121 {
		in := policy.Input{
			At: now,
			Request: policy.Request{
				Actor:   policy.Actor{Kind: policy.KindPatient, Assurance: policy.AssuranceHigh, PatientKey: "example"},
				Purpose: policy.PurposePatientRequest, Channel: channel, Category: fhir.CategoryPatient,
			},
			Patient: policy.Patient{Key: "example", BirthDate: now.AddDate(-age, 0, -2).Format(time.DateOnly)},
		}
		if s.Policy.Decide(in).Permit {
			return age, true
		}
	}
	return 0, false
}

// describeBlocked prints whom the law blocks, after asking the policy whether it does.
func describeBlocked(w io.Writer, s *config.Settings) {
	fmt.Fprintf(w, "\nshut out by law, whatever a patient or an emergency says\n")
	for _, category := range policy.BlockedCategories() {
		got := 0
		for _, channel := range slices.Sorted(maps.Keys(s.File.Policy.Channels)) {
			for _, purpose := range []policy.PurposeOfUse{policy.PurposeTreatment, policy.PurposeEmergency} {
				p := probe{category: category, channel: policy.Channel(channel), purpose: purpose, emergency: purpose == policy.PurposeEmergency}
				p.records = func(data fhir.DataCategory) []consent.Record { return permits(category, string(data)) }
				got += len(permitted(s, p))
			}
		}
		fmt.Fprintf(w, "%s\tgets %d of all data categories\n", category, got)
	}
	fmt.Fprintf(w, "purposes\t%s\n", strings.Join(texts(s.Tables.Providers.BlockedPurposes()), ", "))
	fmt.Fprintf(w, "\nroles that nothing binds to medical secrecy: refused\t%s\n", strings.Join(s.Tables.Providers.RolesWithoutSecrecy(), ", "))
}
