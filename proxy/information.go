package proxy

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"zorgsluis/consent"
)

// Text is shown to patients before they choose, byte for byte as hashed in SHA256.
type Text struct {
	consent.Information
	Text string
}

// informationPath is the path of the texts. They are open: a person who is yet to choose has no token, and they are the same for everybody
// and about nobody (requirements A2, B29). overviewPath describes what this deployment exchanges.
const (
	informationPath = "/gateway/information"
	overviewPath    = informationPath + "/overview"
)

// listedText is a list entry for a text: what a Consent says of it, and its URL.
type listedText struct {
	consent.Information
	URL string `json:"url"`
}

// listedOverview is a list entry for the overview in one language. It has no version: it describes what holds now.
type listedOverview struct {
	Language string `json:"language"`
	SHA256   string `json:"sha256"`
	URL      string `json:"url"`
}

// listInformation renders the list of all texts, in the order of their names, and of the overview.
func (g *Gate) listInformation() ([]byte, error) {
	var list struct {
		Information []listedText     `json:"information"`
		Overview    []listedOverview `json:"overview,omitempty"`
	}
	list.Information = []listedText{}
	at := func(path, language string) string { return g.parts.PublicURL + path + "?language=" + language }
	for _, t := range g.parts.Information {
		list.Information = append(list.Information, listedText{t.Information, at(informationPath+"/"+t.ID+"/"+t.Version, t.Language)})
	}
	for _, t := range g.parts.Overview {
		list.Overview = append(list.Overview, listedOverview{t.Language, t.SHA256, at(overviewPath, t.Language)})
	}
	return json.Marshal(list)
}

// serveInformation serves the list, or one text or the overview in the requested language, with its SHA-256 as ETag. A text never changes:
// a new wording is a new version. The overview follows the configuration.
func (g *Gate) serveInformation(ctx context.Context, x *exchange, r *http.Request, path, query string) (answer, *refusal) {
	if path == informationPath && query == "" {
		return g.openJSON(x, g.texts)
	}
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > 1 || len(values) == 1 && len(values["language"]) != 1 {
		return answer{}, g.nowhere(ctx, x, r)
	}
	t, found := inLanguage(g.textsAt(path), values.Get("language"), strings.Join(r.Header.Values("Accept-Language"), ","))
	if !found {
		return answer{}, g.nowhere(ctx, x, r)
	}
	a, ref := g.open(x, []byte(t.Text))
	a.media, a.language, a.etag = "text/plain; charset=utf-8", t.Language, `"`+t.SHA256+`"`
	if sum, err := hex.DecodeString(t.SHA256); err == nil {
		a.digest = "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
	}
	if slices.ContainsFunc(strings.Split(r.Header.Get("If-None-Match"), ","), func(tag string) bool {
		return strings.TrimPrefix(strings.TrimSpace(tag), "W/") == a.etag
	}) {
		a.status, a.body = http.StatusNotModified, nil
	}
	return a, ref
}

// textsAt returns the text at a path, in all its languages.
func (g *Gate) textsAt(path string) (texts []Text) {
	if path == overviewPath {
		return g.parts.Overview
	}
	for _, t := range g.parts.Information {
		if path == informationPath+"/"+t.ID+"/"+t.Version {
			texts = append(texts, t)
		}
	}
	return texts
}

// inLanguage chooses a language of a text: the one named; or the best that the caller accepts (RFC 9110 §12.5.4), else Dutch, else the
// first.
func inLanguage(texts []Text, named, accepted string) (Text, bool) {
	if len(texts) == 0 {
		return Text{}, false
	}
	in := func(language string) int {
		return slices.IndexFunc(texts, func(t Text) bool { return strings.EqualFold(t.Language, language) })
	}
	if named != "" {
		at := in(named)
		return texts[max(at, 0)], at >= 0
	}
	order := []int{max(in("nl"), 0)} // a matcher falls back to the first
	for i := range texts {
		if i != order[0] {
			order = append(order, i)
		}
	}
	tags := make([]language.Tag, len(texts))
	for i, at := range order {
		tags[i] = language.Make(texts[at].Language)
	}
	_, best := language.MatchStrings(language.NewMatcher(tags), accepted)
	return texts[order[best]], true
}

// isInformation reports whether a path is that of a text or of their list.
func isInformation(path string) bool {
	return path == informationPath || strings.HasPrefix(path, informationPath+"/")
}
