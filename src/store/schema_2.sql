-- Added by version 2 of the schema.

-- Kill switches that were thrown. One that is not reset is latched: it holds over every run, and over every restart.
CREATE TABLE latches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    switch TEXT NOT NULL,
    run TEXT NOT NULL, -- whose journal tells of it
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at INTEGER NOT NULL,
    reset_at INTEGER,
    reset_by TEXT,
    reset_why TEXT
) STRICT;
CREATE UNIQUE INDEX latched ON latches (environment, switch) WHERE reset_at IS NULL;

-- Notices to people, kept until they are delivered: written with the events that they tell of.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    channel TEXT NOT NULL,
    body TEXT NOT NULL, -- JSON
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT, -- of the last try
    delivered INTEGER,
    given_up INTEGER
) STRICT;
CREATE INDEX notices_open ON notices (run, id) WHERE delivered IS NULL AND given_up IS NULL;
