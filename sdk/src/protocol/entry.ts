// Entries of a message log: the leaves of its tree (docs/protocol.md#entries). One JSON object in the one form,
// at most ENTRY_BYTES_MAX octets, hashed as stored. Shapes: schemas/json/log-entry.schema.json.
import type { LogEntry, MessageEntry } from '@onceway/schemas';
import type { Written } from './envelope.js';
import { OncewayError } from './errors.js';
import { ENTRY_BYTES_MAX } from './limits.js';
import { validatorOf } from './schema.js';
import { parseStrictOctets } from './strict-json.js';

const validate = validatorOf<LogEntry>('log-entry', 'entry_invalid');

/** The octets that are hashed and stored. Members of a message are in the order of docs/protocol.md#entries, those of other
 *  entries in that of the object; one without a value is left out.
 *  @throws {OncewayError} `entry_invalid`: too long */
export function encodeEntry(entry: Written<LogEntry>): Buffer {
  return checkSize(Buffer.from(entry.type === 'message' ? encodeMessage(entry) : JSON.stringify(entry)));
}

/** The envelope is most of it, and a compact JWS holds nothing that JSON escapes: it is not searched for that. */
function encodeMessage(entry: Written<MessageEntry>): string {
  const { at, dir, message, batch, closing, peer, cfg, chain, ocsp, rule, about } = entry;
  const rest = JSON.stringify({ batch, closing, peer, cfg, chain, ocsp, rule, about });
  return `{"v":1,"type":"message","at":${at},"dir":"${dir}","message":"${message}",${rest.slice(1)}`;
}

/** Reads one entry. Not verified: the signatures of the messages in it, and its place in the log.
 *  @throws {OncewayError} `entry_invalid`, `json_invalid` */
export function parseEntry(octets: Uint8Array): LogEntry {
  const { buffer, byteOffset, byteLength } = checkSize(octets);
  return validate(parseStrictOctets(Buffer.from(buffer, byteOffset, byteLength)));
}

function checkSize<T extends Uint8Array>(octets: T): T {
  if (octets.length > ENTRY_BYTES_MAX)
    throw new OncewayError('entry_invalid', `more than ${ENTRY_BYTES_MAX} octets`);
  return octets;
}
