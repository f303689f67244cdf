package files_test

import (
	"os"
	"path/filepath"
	"testing"

	"zorgsluis/internal/files"
)

func TestCreate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "copy")
	if err := files.Create(name, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	link := name + "-link"
	if err := os.Symlink(name+"-elsewhere", link); err != nil {
		t.Fatal(err)
	}
	for _, there := range []string{name, link} {
		if err := files.Create(there, []byte("two")); err == nil {
			t.Errorf("%s was written over", there)
		}
	}
	if content, err := os.ReadFile(name); err != nil || string(content) != "one" {
		t.Errorf("got %q, %v", content, err)
	}
	if _, err := os.Stat(name + "-elsewhere"); err == nil {
		t.Error("a link was followed")
	}
}

func TestReplace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "progress")
	for _, want := range []string{"one", "two"} {
		if err := files.Replace(name, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if content, err := os.ReadFile(name); err != nil || string(content) != want {
			t.Errorf("got %q, %v, want %s", content, err, want)
		}
	}
	if left, err := filepath.Glob(name + "?*"); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v, want nothing beside the file", left, err)
	}
}
