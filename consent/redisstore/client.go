package redisstore

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ClientOptions says where Redis is.
type ClientOptions struct {
	// Addresses are host:port, or the path of a Unix socket. Several without SentinelMaster are the seeds of a cluster.
	Addresses []string
	// SentinelMaster is the name of the master; Addresses are then those of the Sentinels.
	SentinelMaster                     string
	SentinelUsername, SentinelPassword string
	// Cluster means that a single address leads to a cluster.
	Cluster bool

	Username, Password string
	DB                 int
	// TLS returns the TLS configuration of each new connection; nil means no TLS.
	TLS func() *tls.Config

	PoolSize int           // connections per server; default 16
	Timeout  time.Duration // of one read or write; default 1 s; deadlines of calls are shorter
}

// NewClient makes a client that the store can rely on: it never silently repeats a write, applies deadlines to the socket, and
// sends every command to a master.
//
// This matters: with go-redis' defaults an XADD whose reply is lost is sent again, request deadlines are ignored, and a withdrawn
// consent may be read from a cache or a replica.
func NewClient(o ClientOptions) redis.UniversalClient {
	orDefault(&o.PoolSize, 16)
	orDefault(&o.Timeout, time.Second)
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addresses, MasterName: o.SentinelMaster, IsClusterMode: o.Cluster,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		Username: o.Username, Password: o.Password, DB: o.DB, Dialer: o.dialer(),

		Protocol:              2, // no push messages, no client-side cache
		MaxRetries:            -1,
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		DialerRetries:         1,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolSize:              o.PoolSize,
		PoolTimeout:           300 * time.Millisecond,
		// A connection to a former master is dropped when the server says so; this limit is for one that says nothing, and for a
		// connection made under CAs that are no longer trusted.
		ConnMaxLifetime:          5 * time.Minute,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// dialTimeout bounds making one connection, including the handshake.
const dialTimeout = 300 * time.Millisecond

// dialer makes connections with TLS; nil means go-redis' own, without TLS.
func (o ClientOptions) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	if o.TLS == nil {
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}, Config: o.TLS()}
		return d.DialContext(ctx, network, address)
	}
}

// speaks reports whether the client is of a kind whose masters we can address.
func speaks(c redis.UniversalClient) bool {
	switch c := c.(type) {
	case *redis.Client:
		return c != nil
	case *redis.ClusterClient:
		return c != nil
	}
	return false
}

// master returns the client of the server that holds key. A pipeline of it runs on one connection, which is what WAIT needs: a
// ClusterClient would send a keyless WAIT anywhere.
func master(ctx context.Context, c redis.UniversalClient, key string) (*redis.Client, error) {
	cluster, ok := c.(*redis.ClusterClient)
	if !ok {
		return c.(*redis.Client), nil
	}
	return cluster.MasterForKey(ctx, key)
}

// refresh makes a cluster client look up its masters again.
func refresh(ctx context.Context, c redis.UniversalClient) {
	if cluster, ok := c.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}
