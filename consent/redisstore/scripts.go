package redisstore

import (
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"
)

// The sources of the scripts. They run on Redis 6.2 and later and on miniredis, so they go by EVALSHA, not as functions.
var (
	//go:embed lua/prelude.lua
	preludeLua string
	//go:embed lua/standing.lua
	standingLua string
	//go:embed lua/commit.lua
	commitLua string
	//go:embed lua/load.lua
	loadLua string
	//go:embed lua/change.lua
	changeLua string
	//go:embed lua/history.lua
	historyLua string
	//go:embed lua/events.lua
	eventsLua string
	//go:embed lua/outbox.lua
	outboxLua string
	//go:embed lua/trim.lua
	trimLua string
	//go:embed lua/lookup.lua
	lookupLua string
	//go:embed lua/reviews.lua
	reviewsLua string
	//go:embed lua/count.lua
	countLua string
	//go:embed lua/initialise.lua
	initialiseLua string
	//go:embed lua/accept.lua
	acceptLua string
)

// The scripts. All but the last two begin with the prelude, which checks the shard's meta key.
var (
	standingScript = checked(standingLua)
	commitScript   = checked(commitLua)
	loadScript     = checked(loadLua)
	changeScript   = checked(changeLua)
	historyScript  = checked(historyLua)
	eventsScript   = checked(eventsLua)
	outboxScript   = checked(outboxLua)
	trimScript     = checked(trimLua)
	lookupScript   = checked(lookupLua)
	reviewsScript  = checked(reviewsLua)
	countScript    = checked(countLua)

	initialiseScript = newScript(initialiseLua)
	acceptScript     = newScript(acceptLua)
)

// script is a Lua script and the name under which Redis keeps it.
type script struct{ source, sha string }

func checked(body string) script { return newScript(preludeLua + body) }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source)) // the name that EVALSHA wants, not a protection
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}
