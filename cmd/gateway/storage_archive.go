package main

import (
	"time"

	"zorgsluis/audit"
)

// openArchive opens the configured archive, to write to it.
func (s *settings) openArchive() (*audit.Archive, error) {
	a, err := audit.OpenArchive(s.archiveFolder, s.archiveKeys[0], s.archivePublic()[1:]...)
	if err != nil {
		return nil, err
	}
	c := s.config.Archive
	a.CheckpointEvents, a.CheckpointEvery = uint64(c.CheckpointEvents), c.CheckpointEvery
	a.SegmentBytes, a.SegmentAge = int64(c.RotateSize), c.RotateAfter
	a.Retention = time.Duration(c.RetentionDays) * 24 * time.Hour
	return a, nil
}
