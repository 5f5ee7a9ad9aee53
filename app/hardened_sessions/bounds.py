"""The times that the layer promises, each once. All are seconds."""

from typing import Final

# A cached value counts only while the change feed was read this recently: so deleting a row revokes
# within this time in every process, whatever happened to Redis.
TRUST: Final = 2.0
# A process reads the feed at most this often.
POLL: Final = 1.0
# No cached value lives longer, so a Redis half that was never written is stale no longer than this.
CACHE: Final = 600.0
# The feed keeps what it says longer than any value can have been cached.
FEED: Final = 2 * CACHE
# A reader that promised to fill the cache must do so within this time.
LEASE: Final = 2.0

# What a hung or lost store costs a request.
REDIS_CONNECT: Final = 0.3
REDIS_READ: Final = 0.3
DATABASE_STATEMENT: Final = 0.5
DATABASE_CONNECT: Final = 2.0  # the least that libpq takes; also for the first statement
# While a breaker is open, the store is asked this often, outside of requests.
PROBE: Final = 1.0
# Redis writes its append-only file once a second; a sign-out waits for that.
REDIS_FSYNC: Final = 2.5
# A file's lock is held for one read and one rename; many may wait for it.
FILE_LOCK: Final = 2.0

# A key that was replaced is known for this long. The former key of an anonymous session leads to a
# copy of what it held; where nobody signed in, it leads to the session until the new one was seen.
FORMER: Final = 60.0
# The former key of a signed-in session opens nothing, but for this long the answers to requests
# that were under way leave the browser's cookie alone: it may be the new one.
ROTATED: Final = 10.0

# A request that took longer than this asks the store once more before it sends a cookie again, or
# the answer to a slow one would put a former key in the place of one given meanwhile.
UNDER_WAY: Final = 0.25

# No signed cookie counts longer after it was signed; nor do browsers keep it (RFC 6265bis, 5.5).
COOKIE: Final = 400 * 24 * 3600.0
# An ended one is remembered longer, for clocks that differ and requests that were under way.
REVOKED: Final = COOKIE + 24 * 3600.0

RETRY_AFTER: Final = 2
# A save that others overtake tries again for this long, with a pause of random length between.
MERGE: Final = 3.0
MERGE_PAUSE: Final = 0.2  # at most
