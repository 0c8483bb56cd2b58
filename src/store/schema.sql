-- Times are milliseconds since 1970-01-01T00:00:00Z, hashes SHA-256 in lower-case hexadecimal.

CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;

-- What a run is: fixed when it starts, except for how it ended.
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    rollout TEXT NOT NULL,
    title TEXT NOT NULL,
    environment TEXT NOT NULL,
    policy_path TEXT NOT NULL,
    plan_hash TEXT NOT NULL,
    bindings_hash TEXT NOT NULL,
    started INTEGER NOT NULL,
    header_hash TEXT NOT NULL,
    verdict TEXT,
    finished INTEGER,
    -- the newest event when it ended, and a hash over how it ended
    finished_seq INTEGER,
    seal TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_rollout ON runs (rollout, started);
CREATE INDEX runs_by_start ON runs (started);

-- A run's large texts, apart from the rows that lists read.
CREATE TABLE documents (
    run TEXT PRIMARY KEY,
    plan TEXT NOT NULL,
    bindings TEXT NOT NULL,
    provenance TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL, -- canonical JSON
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- Against accidents; against intent there is the chain.
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'the journal only grows: events are never changed');
END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'the journal only grows: events are never removed');
END;

-- The end of each run's chain, and the token of the runner that may go on with it.
CREATE TABLE heads (
    run TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    fence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest snapshot of each run's state, as of the event `seq`.
CREATE TABLE states (
    run TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;

CREATE TABLE observations (
    run TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, at)
) STRICT, WITHOUT ROWID;

-- People's words to a runner.
CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at INTEGER NOT NULL,
    acknowledged INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX commands_open ON commands (run, id) WHERE acknowledged IS NULL;
