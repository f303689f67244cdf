package configs_test

import (
	"testing"

	"zorgsluis/configs"
)

func TestDefaultTablesLoad(t *testing.T) {
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(tables.CategoryRules), len(tables.Sensitive), tables.Hash, tables.Groups)
}
