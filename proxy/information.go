package proxy

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"zorgsluis/consent"
)

// Text is what patients are shown before they choose, byte for byte as its SHA-256 has it.
type Text struct {
	consent.Information
	Text string
}

// informationPath is where the texts are. They are open: who is still to choose has no token yet, they are the same for everybody, and they
// say nothing of anybody (requirements A2, B29).
const informationPath = "/gateway/information"

// listedText is a text in the list of them: what a Consent says of it, and where it is.
type listedText struct {
	consent.Information
	URL string `json:"url"`
}

// listInformation is the list of all texts, in the order of their names.
func (g *Gate) listInformation() ([]byte, error) {
	list := []listedText{}
	for _, t := range g.parts.Information {
		list = append(list, listedText{t.Information, g.parts.PublicURL + informationPath + "/" + t.ID + "/" + t.Version + "?language=" + t.Language})
	}
	return json.Marshal(struct {
		Information []listedText `json:"information"`
	}{list})
}

// serveInformation gives the list, or one text in the language that is asked for. A text never changes, and its SHA-256 is its ETag: a new
// wording is a new version.
func (g *Gate) serveInformation(ctx context.Context, x *exchange, r *http.Request, path, query string) (answer, *refusal) {
	if path == informationPath && query == "" {
		return g.openJSON(x, g.texts)
	}
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > 1 || len(values) == 1 && len(values["language"]) != 1 {
		return answer{}, g.nowhere(ctx, x, r)
	}
	var versions []Text
	for _, t := range g.parts.Information {
		if path == informationPath+"/"+t.ID+"/"+t.Version {
			versions = append(versions, t)
		}
	}
	t, found := inLanguage(versions, values.Get("language"), r.Header.Get("Accept-Language"))
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

// inLanguage chooses among the languages of a text: the one that is named; or the best of those that the caller reads (RFC 9110 §12.5.4),
// and where there is none Dutch, or else the first.
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
	best, weight := max(in("nl"), 0), 0.0
	for part := range strings.SplitSeq(accepted, ",") {
		tag, parameter, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if text, given := strings.CutPrefix(strings.TrimSpace(parameter), "q="); given {
			var err error
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		primary, _, _ := strings.Cut(tag, "-")
		for _, language := range []string{tag, primary} {
			if at := in(strings.TrimSpace(language)); at >= 0 && q > weight {
				best, weight = at, q
			}
		}
	}
	return texts[best], true
}

// isInformation reports whether a path is one of the texts, or their list.
func isInformation(path string) bool {
	return path == informationPath || strings.HasPrefix(path, informationPath+"/")
}
