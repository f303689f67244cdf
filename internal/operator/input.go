package operator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
)

// maxPersonLine limits a line of standard input, in bytes: an identifier system, a bar and a value.
const maxPersonLine = 1024

// onePerson lets a command that is about everybody be about one person.
type onePerson struct {
	Patient bool `help:"Only what is about one person, read from stdin (BSN or system|value)."`
}

// choose reads the person, if one is wanted, and returns that person's key in a store; if not, the key is "".
func (o onePerson) choose(env *cli.Environment) (func(*redisstore.Store) consent.PersonKey, error) {
	if !o.Patient {
		return func(*redisstore.Store) consent.PersonKey { return "" }, nil
	}
	person, err := readPerson(lines(env))
	if err != nil {
		return nil, err
	}
	return func(store *redisstore.Store) consent.PersonKey { return store.Key(person) }, nil
}

// readPerson reads the person from the first line of standard input: a BSN, or "system|value". Errors never repeat it.
func readPerson(in *bufio.Reader) (fhir.Identifier, error) {
	line, err := readLine(in)
	if err != nil {
		return fhir.Identifier{}, cli.Usage(fmt.Errorf("person: %w", err))
	}
	id := fhir.Identifier{System: consent.SystemBSN, Value: line}
	if system, value, ok := strings.Cut(line, "|"); ok {
		id = fhir.Identifier{System: system, Value: value}
	}
	person, err := consent.NormalizePerson(id)
	if err != nil {
		return fhir.Identifier{}, cli.Usage(fmt.Errorf("person: %w", err))
	}
	return person, nil
}

var errNoLine = errors.New("standard input must name one, as a BSN or as system|value")

// readLine reads one line that is not empty.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errors.New("the line is too long")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text := strings.TrimSpace(string(line))
	if text == "" {
		return "", errNoLine
	}
	return text, nil
}

// lines returns standard input, whose first line names a person, in lines of limited length. On a terminal it prompts for the person.
func lines(env *cli.Environment) *bufio.Reader {
	if file, ok := env.Stdin.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprintln(env.Stderr, "the person (BSN, or system|value):")
		}
	}
	return bufio.NewReaderSize(env.Stdin, maxPersonLine)
}
