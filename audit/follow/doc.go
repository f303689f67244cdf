// Package follow hands access events on to other systems: to an AuditEvent repository, a syslog collector, a webhook, NATS JetStream or Kafka.
// Its followers read the archive, each from its own durable cursor: never Redis, and never on the way of a request. What a follower's
// destination does, or does not do, changes nothing for callers, for the archive and for other followers.
package follow
