package fhir

import (
	"slices"
	"strconv"
	"strings"
)

// MaxCompanions is the largest number of resources that one CompanionSearch asks for.
const MaxCompanions = 25

// BringsAlong reports whether shared resources of a type are added for the resources that refer to them: by $everything all of
// them, or those of its _type (R4 §8.1.16.2); otherwise only an include adds them.
func (i Interaction) BringsAlong(v Version, typ string) bool {
	if i.Code != CodeEverything || ClassOf(v, typ) != ClassShared {
		return false
	}
	list, given := i.param(typesParam)
	return !given || slices.Contains(strings.Split(list, ","), typ)
}

// CompanionSearch returns the relative path and query of the GET that asks a source for shared resources of one type by id, with
// the _since of $everything as in its other searches. It is empty, and nothing may be asked, if the type is not brought along, an
// id is invalid, or there are no ids or more than MaxCompanions.
func (i Interaction) CompanionSearch(v Version, typ string, ids []ID) string {
	if !i.BringsAlong(v, typ) || len(ids) == 0 || len(ids) > MaxCompanions {
		return ""
	}
	var list []string
	for _, id := range ids {
		if !validID(string(id)) {
			return ""
		}
		list = append(list, string(id))
	}
	params := []Param{{"_id", strings.Join(list, ",")}, {countParam, strconv.Itoa(MaxCompanions)}}
	if since, ok := i.param(sinceParam); ok {
		params = append(params, Param{"_lastUpdated", "ge" + since})
	}
	return withQuery(typ, appendQuery(nil, "", "", params))
}
