// The registry's one SQLite file: its tables. No queries: those stand with their concepts.
import { openStateFile, type StateFile } from './state-file.js';

export type Database = StateFile;

const STEPS = [
  `
  CREATE TABLE member (
    id TEXT PRIMARY KEY, name_en TEXT NOT NULL, name_vi TEXT NOT NULL,
    suspended TEXT, created_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE subsystem (
    id TEXT PRIMARY KEY, member TEXT NOT NULL REFERENCES member(id), name_en TEXT, name_vi TEXT
  ) STRICT;
  CREATE TABLE security_server (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL REFERENCES member(id), address TEXT NOT NULL,
    suspended TEXT, created_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE server_client (
    server TEXT NOT NULL REFERENCES security_server(id) ON DELETE CASCADE,
    client TEXT NOT NULL, PRIMARY KEY (server, client)
  ) STRICT, WITHOUT ROWID;
  -- Never deleted from: an origin is unique for ever, also after its server has gone.
  CREATE TABLE server_log (origin TEXT PRIMARY KEY, server TEXT NOT NULL, key TEXT NOT NULL) STRICT;
  -- A certificate stays for ever too, so that what was revoked can not be registered again.
  CREATE TABLE server_certificate (
    digest TEXT PRIMARY KEY, server TEXT NOT NULL, usage TEXT NOT NULL CHECK (usage IN ('authentication', 'signing')),
    member TEXT NOT NULL, alg TEXT NOT NULL, der BLOB NOT NULL,
    from_s INTEGER NOT NULL, until_s INTEGER NOT NULL, removed TEXT
  ) STRICT;
  CREATE INDEX server_certificate_by_server ON server_certificate (server) WHERE removed IS NULL;
  CREATE TABLE global_group (code TEXT PRIMARY KEY, en TEXT NOT NULL, vi TEXT NOT NULL) STRICT;
  CREATE TABLE global_group_member (
    code TEXT NOT NULL REFERENCES global_group(code) ON DELETE CASCADE,
    client TEXT NOT NULL, PRIMARY KEY (code, client)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE setting_record (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE enrolment_token (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, member TEXT NOT NULL, server TEXT NOT NULL,
    uses INTEGER NOT NULL CHECK (uses >= 0), expires_s INTEGER NOT NULL, created_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE management_request (
    id TEXT PRIMARY KEY, jti TEXT NOT NULL UNIQUE, type TEXT NOT NULL, server TEXT NOT NULL, member TEXT NOT NULL,
    seq INTEGER NOT NULL, subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('submitted', 'waiting', 'approved', 'declined', 'revoked')),
    payload TEXT NOT NULL, request TEXT NOT NULL, certificates TEXT NOT NULL, alg TEXT NOT NULL,
    submitted_ms INTEGER NOT NULL, decided_ms INTEGER, decided_by TEXT, reason TEXT
  ) STRICT;
  CREATE INDEX management_request_by_server ON management_request (server, seq);
  -- One request for one thing waits at a time.
  CREATE UNIQUE INDEX management_request_waiting ON management_request (type, subject) WHERE state = 'waiting';
  CREATE INDEX management_request_by_state ON management_request (state, submitted_ms);
  CREATE TABLE api_key (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL, name TEXT NOT NULL,
    created_ms INTEGER NOT NULL, removed_ms INTEGER
  ) STRICT;
  -- Hashes of complete subtrees; level 0 are the leaves.
  CREATE TABLE log_hash (
    log TEXT NOT NULL, level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (log, level, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE log_entry (
    log TEXT NOT NULL, place INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (log, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE record (digest TEXT PRIMARY KEY, octets BLOB NOT NULL) STRICT;
  CREATE TABLE configuration_head (
    seq INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, head TEXT NOT NULL, records TEXT NOT NULL,
    root TEXT NOT NULL, issued_s INTEGER NOT NULL, expires_s INTEGER NOT NULL,
    place INTEGER NOT NULL, checkpoint TEXT NOT NULL
  ) STRICT;
  CREATE TABLE delegation (seq INTEGER PRIMARY KEY, jws TEXT NOT NULL) STRICT;
  CREATE TABLE witness_state (witness TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT;
  CREATE TABLE description (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL UNIQUE, jws TEXT NOT NULL, digest TEXT NOT NULL,
    rev INTEGER NOT NULL, title_en TEXT NOT NULL, title_vi TEXT NOT NULL, summary TEXT NOT NULL
  ) STRICT;
  -- Folded text (no case, no marks): see catalogue/catalogue.ts. rowid = description.id.
  CREATE VIRTUAL TABLE description_text USING fts5 (title, summary, path, provider);
  `,
  `
  DROP TABLE witness_state;
  CREATE TABLE approval (
    subject TEXT NOT NULL, officer TEXT NOT NULL, given_ms INTEGER NOT NULL, PRIMARY KEY (subject, officer)
  ) STRICT;
  CREATE TABLE trust_change (id TEXT PRIMARY KEY, change TEXT NOT NULL, proposed_ms INTEGER NOT NULL) STRICT;
  -- Names of trust services that officers have removed: a start must not bring them back.
  CREATE TABLE removed_service (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
];

/** Opens the registry's database.
 *  @param create by `init` only: an empty one would mean forgetting
 *  @throws {OncewayError} `not_found` for a missing file that must exist */
export function openDatabase(file: string, options: { create: boolean }): Database {
  return openStateFile(file, STEPS, options);
}
