package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	"zorgsluis/consent"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// holders says who holds the data of each source, by its id: a consent may name a holder, by category or organization. A source that is not
// configured any more stays in it, so that it does not come back as another's unnoticed.
type holders map[string]policy.Holder

func holdersOf(s *config.Settings) holders {
	all := holders{}
	for _, source := range s.File.Sources {
		all[source.ID] = policy.Holder{Organization: source.Holder.Organization, Category: policy.ProviderCategory(source.Holder.Category)}
	}
	return all
}

// with returns these holders as they are replaced and completed by later ones.
func (h holders) with(later holders) holders {
	all := holders{}
	maps.Copy(all, h)
	maps.Copy(all, later)
	return all
}

// changed calls f for each name of a holder that stands for a source no more, and the one that does instead. A new source is in no consent yet.
func (h holders) changed(next holders, f func(source, from, to string)) {
	for _, source := range union(h, next) {
		before, known := h[source]
		after, stays := next[source]
		if !known || !stays {
			continue
		}
		if before.Category != after.Category {
			f(source, string(before.Category), string(after.Category))
		}
		if before.Organization != after.Organization {
			f(source, before.Organization, after.Organization)
		}
	}
}

// shifts says which names of holders cover more or less than before.
func (h holders) shifts(next holders) (all []shift) {
	h.changed(next, func(source, from, to string) {
		all = append(all, shift{consent.NameOfHolder + " " + from, "source " + source, false}, shift{consent.NameOfHolder + " " + to, "source " + source, true})
	})
	return all
}

// moves says for which organization's data a name of holders stood before: what named it goes on to be about those data.
func (h holders) moves(next holders) (all []consent.Carried) {
	h.changed(next, func(source, from, _ string) {
		all = append(all, consent.Carried{Kind: consent.NameOfHolder, From: from, To: next[source].Organization})
	})
	return all
}

// hash identifies who holds what.
func (h holders) hash() string {
	text, err := json.Marshal(h) // the members of maps are sorted
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
