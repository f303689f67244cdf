package operator

import (
	"fmt"

	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type keysCommand struct {
	Generate generateCommand `cmd:"" help:"Make the secret files that a configuration needs, each with 32 random bytes in base64, mode 0600."`
}

type generateCommand struct {
	Folder string `required:"" placeholder:"FOLDER" help:"The folder for the files; made if missing."`
}

// Run makes the files. An existing one is left alone: losing a person secret would lose every person.
func (g *generateCommand) Run(env *cli.Environment) error {
	made, err := config.GenerateSecrets(g.Folder)
	for _, name := range made {
		fmt.Fprintln(env.Stdout, "made", name)
	}
	return err
}
