package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// compareWith prints what another configuration, the old one, permitted, and this one does not, and the other way round.
func (s *settings) compareWith(w io.Writer, old *settings) {
	changed := old.meaning().shifts(s.meaning())
	fmt.Fprintf(w, "consents that are on file, compared with the old configuration\n")
	for _, c := range changed {
		sign, note := "-", ""
		if c.more {
			sign = "+"
			switch s.fate(c) {
			case carriedFate:
				note = "\tcarried over"
			case endedFate:
				note = "\tpermits given before end"
			default:
				note = "\tNOT decided: the gateway will not start unless catalogue.carry or catalogue.end lists " + c.name
			}
		}
		fmt.Fprintf(w, "%s\t%s%s\n", sign, c, note)
	}
	for _, m := range old.meaning().moves(s.meaning()) {
		m.Permits = s.carries(m)
		fmt.Fprintf(w, "=\t%s\n", movedText(m))
	}
	if len(changed) == 0 {
		fmt.Fprintf(w, "every name means the same\n")
	}
	fmt.Fprintf(w, "\nwho would gain (+) or lose (-) access\nchannel\tprovider category\twith\tdata categories\n")
	channels, categories := union(old.config.Policy.Channels, s.config.Policy.Channels), slices.Clone(old.tables.CategoryNames())
	for _, c := range s.tables.CategoryNames() {
		categories = merged(categories, c)
	}
	same := true
	for _, channel := range channels {
		for _, category := range categories {
			for _, p := range probes(category, policy.Channel(channel), union(old.tables.Groups, s.tables.Groups)) {
				before, after := texts(old.permitted(p.probe)), texts(s.permitted(p.probe))
				for sign, list := range map[string][]string{"+": outside(after, before), "-": outside(before, after)} {
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
}

// namedProbe is a probe and what it stands for.
type namedProbe struct {
	with string
	probe
}

// probes are the questions that tell who gets what: without a choice, with consent to everything, to each group and to each category by
// its name, and in an emergency.
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

// compareHolders prints which sources came, went, or are held by somebody else: consents name holders too.
func compareHolders(w io.Writer, old, s *settings) {
	holders := func(s *settings) map[string]string {
		all := map[string]string{}
		for _, src := range s.config.Sources {
			all[src.ID] = src.Holder.Organization + " (" + src.Holder.Category + ")"
		}
		return all
	}
	before, after := holders(old), holders(s)
	for _, id := range union(before, after) {
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
