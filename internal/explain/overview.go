package explain

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// overviewTexts are the templates of the overview, one for each language.
//
//go:embed overview/*.txt
var overviewTexts embed.FS

// shared is what a deployment exchanges, in the words of one language (requirement A2). Nothing in it says where anything of the operator's
// is.
type shared struct {
	Holders    []sharedBy
	Channels   []sharedOver
	Categories []sharedWith
	Named      bool // some issuer's configuration requires patients to name the representatives they chose
	Emergency  []string
	Groups     []sharedData
	Restricted string
	Texts      string
}

type sharedBy struct{ Name, Kind string }

type sharedOver struct {
	Name    string
	Implied bool
	Own     int // age from which patients see their own record; 0: never
}

type sharedWith struct {
	Name string
	Only []string // what is necessary for the work; empty: no cap
}

type sharedData struct {
	Name           string
	Includes, Data []string
}

// Overview returns what this deployment exchanges, in each language, from the current configuration.
func Overview(s *config.Settings) (texts []proxy.Text, err error) {
	for _, in := range []struct {
		language string
		word     func(configs.Label) string
	}{
		{"nl", func(l configs.Label) string { return l.Dutch }},
		{"en", func(l configs.Label) string { return l.English }},
	} {
		name := in.language + ".txt"
		page, err := template.New(name).Funcs(template.FuncMap{"join": strings.Join}).ParseFS(overviewTexts, "overview/"+name)
		if err != nil {
			return nil, fmt.Errorf("overview: %w", err)
		}
		var text strings.Builder
		if err := page.Execute(&text, shares(s, in.word)); err != nil {
			return nil, fmt.Errorf("overview: %w", err)
		}
		sum := sha256.Sum256([]byte(text.String()))
		texts = append(texts, proxy.Text{
			Information: consent.Information{ID: "overview", Language: in.language, SHA256: hex.EncodeToString(sum[:])}, Text: text.String(),
		})
	}
	return texts, nil
}

// shares collects what is exchanged, in words.
func shares(s *config.Settings, word func(configs.Label) string) shared {
	t, p := s.Tables, s.File.Policy
	data := func(name string) string { return word(t.Labels[name]) }
	all := func(names []string) (list []string) {
		for _, name := range names {
			list = append(list, data(name))
		}
		return list
	}
	page := shared{Restricted: data(string(fhir.Restricted)), Texts: s.File.PublicURL + "/gateway/information"}
	page.Named = slices.ContainsFunc(s.File.Issuers, func(i config.Issuer) bool { return i.NamedOnly })
	kinds := map[string]string{}
	for _, category := range t.ProviderCategories {
		name := string(category.Name)
		kinds[name] = word(category.Label)
		page.Categories = append(page.Categories, sharedWith{kinds[name], all(p.Necessary[name])})
	}
	for _, name := range p.EmergencyCategories {
		page.Emergency = append(page.Emergency, kinds[name])
	}
	for _, source := range s.File.Sources {
		holder := sharedBy{cmp.Or(source.Holder.Name, source.Holder.Organization), kinds[source.Holder.Category]}
		if !slices.Contains(page.Holders, holder) { // one holder may have several sources
			page.Holders = append(page.Holders, holder)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Channels)) {
		channel := p.Channels[name]
		label := configs.Label{Dutch: cmp.Or(channel.Label, name), English: cmp.Or(channel.English, channel.Label, name)}
		age, _ := ownFrom(s, policy.Channel(name))
		page.Channels = append(page.Channels, sharedOver{word(label), channel.Consent == "implied", age})
	}
	for _, name := range slices.Sorted(maps.Keys(t.Groups)) {
		group := sharedData{Name: data(name), Includes: all(t.GroupIncludes[name])}
		for _, category := range t.Groups[name] {
			group.Data = append(group.Data, data(string(category)))
		}
		page.Groups = append(page.Groups, group)
	}
	return page
}
