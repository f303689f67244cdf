package configs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"testing/fstest"

	"zorgsluis/configs"
)

func TestInformationTexts(t *testing.T) {
	texts, err := configs.DefaultInformation()
	var names []string
	for _, text := range texts {
		names = append(names, text.ID+"/"+text.Version+"/"+text.Language)
	}
	if got := strings.Join(names, " "); err != nil || got != "machtiging/1/en machtiging/1/nl toestemming/1/en toestemming/1/nl" {
		t.Fatalf("got %s and error %v, want the four that are shipped", got, err)
	}
	for _, text := range texts {
		sum := sha256.Sum256([]byte(text.Text))
		if text.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: got hash %s", text.Language, text.SHA256)
		}
	}
	good := fstest.MapFS{"leaflet/2.1/nl-BE.txt": {Data: []byte("text")}}
	if texts, err := configs.LoadInformation(good); err != nil || len(texts) != 1 || texts[0].Text != "text" {
		t.Errorf("got %+v and error %v", texts, err)
	}
	for name, data := range map[string]string{
		"leaflet/nl.txt": "text", "leaflet/1/nl.html": "text", "leaf let/1/nl.txt": "text", "../1/nl.txt": "text", "leaflet/1/NL.txt": "text",
		"leaflet/1/nl.txt": " \n", "leaflet/1/en.txt": "\xff", "leaflet/1/de.txt": strings.Repeat("x", 65<<10), "..x/1/nl.txt": "text",
	} {
		if _, err := configs.LoadInformation(fstest.MapFS{name: {Data: []byte(data)}}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
