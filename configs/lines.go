package configs

// DecodeLines is [Decode] that also says on which line each key of the file stands, by its path. Lines are nil when data is no
// YAML at all; otherwise they are complete, also beside an error.
func DecodeLines(name string, data []byte, into any) (lines map[string]int, err error) {
	return decode(name, data, into)
}

// Join is the path of a key below path, as [Problem] and [DecodeLines] have it: "sources[0].holder", `clients."my app"`.
func Join(path, key string) string { return join(path, key) }
