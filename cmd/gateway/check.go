package main

type checkCommand struct{ configured }

func (c *checkCommand) Run(env *environment) error { _, err := loadSettings(c.Config); return err }
