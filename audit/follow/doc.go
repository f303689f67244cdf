// Package follow sends access events to other systems: an AuditEvent repository, a syslog collector, a webhook, NATS JetStream or Kafka.
// Each follower reads the archive from its own durable cursor. It never reads Redis, and no request waits for it: whatever its destination
// does or fails to do, callers, the archive and other followers are not affected.
package follow
