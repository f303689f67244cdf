package config

import (
	"os"

	"zorgsluis/configs"
)

// information reads the texts that patients are shown before they choose. If an operator has texts of its own, a consent can name only
// those.
func (s *Settings) information(c *checker) {
	name := s.File.Information.Folder
	if name == "" {
		var err error
		if s.Texts, err = configs.DefaultInformation(); err != nil {
			c.add("information", "%v", err)
		}
		return
	}
	full := c.path(name)
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		c.add("information.folder", "%s: not a folder", name)
		return
	}
	texts, err := configs.LoadInformation(os.DirFS(full))
	for _, problem := range unjoin(err) {
		c.add("information.folder", "%s: %v", name, problem)
	}
	if err == nil && len(texts) == 0 {
		c.add("information.folder", "%s: holds no text", name)
	}
	s.Texts = texts
	for _, text := range texts {
		s.Catalogue.Information = append(s.Catalogue.Information, text.Information)
	}
}
