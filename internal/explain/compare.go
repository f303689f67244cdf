package explain

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/catalogue"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// Compare prints who would gain or lose access if s replaced an older configuration, and what becomes of consents on file.
func Compare(out io.Writer, s, old *config.Settings) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	catalogue.Compare(w, s, old)
	fmt.Fprintf(w, "\nwho would gain (+) or lose (-) access\nchannel\tprovider category\twith\tdata categories\n")
	channels, categories := either(old.File.Policy.Channels, s.File.Policy.Channels), slices.Concat(old.Tables.CategoryNames(), s.Tables.CategoryNames())
	slices.Sort(categories)
	categories = slices.Compact(categories)
	same := true
	for _, channel := range channels {
		for _, category := range categories {
			for _, p := range probes(category, policy.Channel(channel), either(old.Tables.Groups, s.Tables.Groups)) {
				before, after := texts(permitted(old, p.probe)), texts(permitted(s, p.probe))
				for sign, list := range map[string][]string{"+": missing(after, before), "-": missing(before, after)} {
					if len(list) > 0 {
						same = false
						fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", sign, channel, category, p.with, strings.Join(list, ", "))
					}
				}
			}
		}
	}
	if same {
		fmt.Fprintf(w, "nobody\n")
	}
	compareHolders(w, old, s)
	return w.Flush()
}

// namedProbe is a probe and its description.
type namedProbe struct {
	with string
	probe
}

// probes are the questions that show who gets what: with no consent on file, with consent to everything, to each group and to each category
// by name, and in an emergency.
func probes(category policy.ProviderCategory, channel policy.Channel, groups []string) []namedProbe {
	treat := probe{category: category, channel: channel, purpose: policy.PurposeTreatment}
	with := func(data ...string) probe {
		p := treat
		p.records = func(fhir.DataCategory) []consent.Record { return permits(category, data...) }
		return p
	}
	list := []namedProbe{{"nothing on file", treat}, {"consent to everything", with()}}
	for _, group := range groups {
		list = append(list, namedProbe{"consent that names " + group, with(group)})
	}
	byName := treat
	byName.records = func(data fhir.DataCategory) []consent.Record { return permits(category, string(data)) }
	return append(list, namedProbe{"consent that names the category", byName}, namedProbe{"an emergency, nothing on file", probe{
		category: category, channel: channel, purpose: policy.PurposeEmergency, emergency: true,
	}})
}

func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, c := range list {
		all[i] = string(c)
	}
	return all
}

// compareHolders prints which sources came, went, or have another holder: consents name holders too.
func compareHolders(w io.Writer, old, s *config.Settings) {
	holders := func(s *config.Settings) map[string]string {
		all := map[string]string{}
		for _, src := range s.File.Sources {
			all[src.ID] = src.Holder.Organization + " (" + src.Holder.Category + ")"
		}
		return all
	}
	before, after := holders(old), holders(s)
	for _, id := range either(before, after) {
		switch b, a := before[id], after[id]; {
		case b == a:
		case b == "":
			fmt.Fprintf(w, "+ source\t%s\theld by %s: new to consents that name this holder, its category, or none\n", id, a)
		case a == "":
			fmt.Fprintf(w, "- source\t%s\theld by %s: gone\n", id, b)
		default:
			fmt.Fprintf(w, "± source\t%s\theld by %s, before by %s\n", id, a, b)
		}
	}
}

// either returns the keys of both maps, sorted.
func either[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// missing returns what is in list but not in other.
func missing(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
