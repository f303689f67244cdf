package fhir

// generalParams are the parameters of every type that are served, the same in every version.
var generalParams = map[string]paramKind{
	"_id": kindID, "_lastUpdated": kindDate,
	"_count": kindCount, "_sort": kindSort, "_include": kindInclude, "_revinclude": kindRevInclude,
	"_format": kindFormat, "_pretty": kindPretty, cursorParam: kindCursor,
}

// generalRefused are the parameters of every type that are refused.
var generalRefused = byReason{
	"contained resources are no entries (SE-21)":     "_contained _containedType",
	"changes what the source returns (SE-26)":        "_graph",
	"asks about data that is not shown (OR-1)":       "_has",
	"filters by a list of anybody (SE-22)":           "_list",
	"free predicate (SE-23)":                         "_query _text _content _filter",
	"asks about labels and origins (SE-24)":          "_source _tag _profile _security",
	"the gateway decides on whole resources (SE-20)": "_summary _elements",
	"counts are not disclosed (OR-6)":                "_total",
	"searches over types are not served (SE-19)":     "_type",
}
