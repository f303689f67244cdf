package redisstore

import (
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"
)

// The sources of the scripts. They must run on Redis 6.2 and later and on miniredis, so they are called by EVALSHA, not as functions.
var (
	//go:embed lua/prelude.lua
	preludeLua string
	//go:embed lua/commits.lua
	commitsLua string
	//go:embed lua/load.lua
	loadLua string
	//go:embed lua/change.lua
	changeLua string
	//go:embed lua/history.lua
	historyLua string
	//go:embed lua/events.lua
	eventsLua string
	//go:embed lua/trim.lua
	trimLua string
	//go:embed lua/confirm.lua
	confirmLua string
	//go:embed lua/lookup.lua
	lookupLua string
	//go:embed lua/reviews.lua
	reviewsLua string
	//go:embed lua/count.lua
	countLua string
	//go:embed lua/firstuse.lua
	firstUseLua string
	//go:embed lua/initialise.lua
	initialiseLua string
	//go:embed lua/accept.lua
	acceptLua string
	//go:embed lua/replay.lua
	replayLua string
	//go:embed lua/replayed.lua
	replayedLua string
)

// The scripts, and how many values each returns on success. All but the last two check the meta key of every shard first.
var (
	commitsScript = newScript(commitsLua, 0) // serves a batch; its reply has its own form (batch.go)

	loadScript    = checked(loadLua, 5)
	changeScript  = checked(changeLua, 1)
	historyScript = checked(historyLua, 4)
	eventsScript  = checked(eventsLua, 1)
	trimScript    = checked(trimLua, 0)
	confirmScript = checked(confirmLua, 0)
	lookupScript  = checked(lookupLua, 1)
	reviewsScript = checked(reviewsLua, 1)
	countScript   = checked(countLua, 0)

	firstUseScript = checked(firstUseLua, 0)

	replayScript   = checked(replayLua, 0)
	replayedScript = checked(replayedLua, 0)

	initialiseScript = newScript(initialiseLua, 0)
	acceptScript     = newScript(acceptLua, 0)
)

// script is a Lua script with its name in Redis.
type script struct {
	source, sha string
	values      int // after status and sequence, when the status is OK
}

func checked(body string, values int) script { return newScript(preludeLua+body, values) }

func newScript(source string, values int) script {
	sum := sha1.Sum([]byte(source)) // the name for EVALSHA, not a protection
	return script{source: source, sha: hex.EncodeToString(sum[:]), values: values}
}
