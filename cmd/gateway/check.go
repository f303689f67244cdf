package main

import (
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/explain"
)

type checkCommand struct {
	cli.Configured
	Against string `placeholder:"OLD.yaml" help:"Print instead what changes compared with this older configuration: what consents cover, and who gains or loses access."`
}

// Run validates with the code of serve, and prints what the policy amounts to: its actual decisions, not what the configuration seems to
// say.
func (c *checkCommand) Run(env *cli.Environment) error {
	s, err := config.Load(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	if c.Against == "" {
		return explain.Describe(env.Stdout, s, c.Config)
	}
	old, err := config.Load(c.Against)
	if err != nil {
		return cli.Usage(err)
	}
	return explain.Compare(env.Stdout, s, old)
}
