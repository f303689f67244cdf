package storage

import (
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/config"
)

// OpenArchive opens the configured archive for writing.
func OpenArchive(s *config.Settings) (*audit.Archive, error) {
	a, err := audit.OpenArchive(s.ArchiveFolder, s.ArchiveKeys[0], s.ArchivePublicKeys()[1:]...)
	if err != nil {
		return nil, err
	}
	c := s.File.Archive
	a.CheckpointEvents, a.CheckpointEvery = uint64(c.CheckpointEvents), c.CheckpointEvery
	a.SegmentBytes, a.SegmentAge = int64(c.RotateSize), c.RotateAfter
	a.Retention = time.Duration(c.RetentionDays) * 24 * time.Hour
	return a, nil
}
