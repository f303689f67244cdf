package configs

// DecodeLines is [Decode] and also returns the line of each key, by its path. lines is nil if data is not one YAML document; else it has the keys
// that could be read, also if there is an error.
func DecodeLines(name string, data []byte, into any) (lines map[string]int, err error) {
	return decode(name, data, into)
}

// Join returns the path of a key below path, as in [Problem] and [DecodeLines]: "sources[0].holder", `clients."my app"`.
func Join(path, key string) string { return join(path, key) }
