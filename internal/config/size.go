package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes, written as "16MiB". Powers of two only: "MB" would mean one thing to us and another to the reader.
type size int64

var errSize = errors.New(`want a number of bytes with a unit, such as "64KiB" or "16MiB"`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
		number, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes {
			return errSize
		}
		*s = size(n * unit.bytes)
		return nil
	}
	return errSize
}

// String renders the size in the largest unit that divides it.
func (s size) String() string {
	for _, unit := range []struct {
		suffix string
		bytes  size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s != 0 && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
