SET LOCAL client_min_messages = warning;
CREATE TABLE IF NOT EXISTS row (
    seq bigint PRIMARY KEY,
    stream bytea NOT NULL,
    at bigint NOT NULL,
    entry bytea NOT NULL,
    ciphertext bytea NOT NULL
);
-- It is compressed and encrypted already: trying again would cost time and gain nothing.
ALTER TABLE row ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS delivery (
    message bytea NOT NULL,
    content bytea NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (message, content)
);
CREATE TABLE IF NOT EXISTS version (
    resource bytea NOT NULL,
    replaces bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (resource, replaces)
);
-- The tree and who may grow it are one row: a commit and a change of hands wait for each other.
CREATE TABLE IF NOT EXISTS tree (
    one integer PRIMARY KEY,
    size bigint NOT NULL,
    frontier bytea NOT NULL,
    epoch bigint NOT NULL,
    holder text NOT NULL,
    until timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoint (
    one integer PRIMARY KEY,
    size bigint NOT NULL,
    note text NOT NULL,
    edge bytea NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS moved (
    one integer PRIMARY KEY,
    place text NOT NULL
);
