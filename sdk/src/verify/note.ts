// Signed notes (c2sp.org/signed-note) and the verifier keys by which they are opened. Ed25519 only. What the text of a
// note means stands in checkpoint.ts; signatures of witnesses in cosignature.ts.
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import type { VerifierKey } from '@onceway/schemas';
import { OncewayError } from '../protocol/errors.js';
import { NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX } from '../protocol/limits.js';
import { sha256 } from '../protocol/octets.js';

/** Signature type byte: 1 signs the note's text, 4 is a witness's cosignature/v1. */
export type NoteKeyType = 1 | 4;

export interface ParsedVerifierKey {
  readonly vkey: VerifierKey;
  readonly name: string;
  /** First four octets of SHA-256(name ‖ 0x0A ‖ type ‖ key), lower-case hex: tells keys apart, proves nothing. */
  readonly id: string;
  readonly type: NoteKeyType;
  readonly publicKey: KeyObject;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** What follows the key id; its length is the signer's matter. */
  readonly signature: Buffer;
}

/** A note taken apart; nothing of it is verified. */
export interface ParsedNote {
  /** With its final newline, without the blank line. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface OpenedNote extends ParsedNote {
  /** The known keys that signed, at least one, in the order of their first signatures. */
  readonly verified: readonly VerifierKey[];
}

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
// An Ed25519 SubjectPublicKeyInfo is this and the raw key (RFC 8410 §4).
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const NAME = /^[^\p{White_Space}+]+$/u;
const VKEY = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/;
const SIGNATURE_LINE = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

const refused = (why: string): OncewayError => new OncewayError('checkpoint_invalid', why);

/** Standard base64 in its one form; undefined for anything else. */
export function decodeBase64(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? octets : undefined;
}

function isText(text: string): boolean {
  return text.isWellFormed() && !CONTROL.test(text);
}

function isName(name: string): boolean {
  return NAME.test(name) && isText(name);
}

function keyIdOf(name: string, type: NoteKeyType, rawKey: Uint8Array): Buffer {
  return sha256(Buffer.from(`${name}\n`), Buffer.of(type), rawKey).subarray(0, 4);
}

function rawKeyOf(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('notes are signed with Ed25519 keys');
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
}

/** The vkey of an Ed25519 key, private or public: `<name>+<id>+<base64 of type and key>`.
 *  @throws {TypeError} for another kind of key, or a name that is empty or holds a blank, a plus or a control */
export function vkeyOf(name: string, key: KeyObject, type: NoteKeyType = 1): VerifierKey {
  if (!isName(name)) throw new TypeError('not a name of a note key');
  const raw = rawKeyOf(key);
  const encoded = Buffer.concat([Buffer.of(type), raw]).toString('base64');
  return `${name}+${keyIdOf(name, type, raw).toString('hex')}+${encoded}` as VerifierKey;
}

/** @throws {OncewayError} `key_invalid` */
export function parseVerifierKey(vkey: string): ParsedVerifierKey {
  const invalid = (why: string): OncewayError => new OncewayError('key_invalid', why);
  const [, name, id, encoded] = VKEY.exec(vkey) ?? [];
  const octets = encoded === undefined ? undefined : decodeBase64(encoded);
  if (name === undefined || id === undefined || octets === undefined || !isName(name))
    throw invalid('a verifier key is <name>+<8 hex digits>+<base64>');
  const [type] = octets;
  const raw = octets.subarray(1);
  if ((type !== 1 && type !== 4) || raw.length !== KEY_BYTES) throw invalid('not an Ed25519 verifier key');
  if (keyIdOf(name, type, raw).toString('hex') !== id) throw invalid('the id of the key does not fit it');
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  return { vkey: vkey as VerifierKey, name, id, type, publicKey };
}

/** One signature line with its newline: append it to a note that was signed before.
 *  `signature` is what stands after the key id. */
export function signatureLine(
  name: string,
  key: KeyObject,
  type: NoteKeyType,
  signature: Uint8Array,
): string {
  if (!isName(name)) throw new TypeError('not a name of a note key');
  const octets = Buffer.concat([keyIdOf(name, type, rawKeyOf(key)), signature]);
  return `\u2014 ${name} ${octets.toString('base64')}\n`;
}

/** Signs a text, which must end in a newline, and returns the whole note.
 *  @throws {TypeError} for a text or name that no note can hold */
export function signNote(text: string, name: string, key: KeyObject): string {
  if (!text.endsWith('\n') || !isText(text))
    throw new TypeError('the text of a note ends in a newline and holds no other control character');
  return `${text}\n${signatureLine(name, key, 1, sign(null, Buffer.from(text), key))}`;
}

/** Takes a note apart, verifying nothing.
 *  @throws {OncewayError} `checkpoint_invalid` when it is malformed */
export function parseNote(note: string): ParsedNote {
  if (note.length > NOTE_BYTES_MAX) throw refused(`a note exceeds ${NOTE_BYTES_MAX} characters`);
  if (!isText(note)) throw refused('a note holds a control character or a lone surrogate');
  // The last blank line: the text may hold blank lines of its own.
  const blank = note.lastIndexOf('\n\n');
  if (blank < 0 || !note.endsWith('\n'))
    throw refused('a note is text, a blank line, and lines of signatures');
  const lines = note.slice(blank + 2, -1).split('\n');
  if (lines.length > NOTE_SIGNATURES_MAX)
    throw refused(`a note has more than ${NOTE_SIGNATURES_MAX} signatures`);
  const signatures = lines.map((line): NoteSignature => {
    const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
    const octets = encoded === undefined ? undefined : decodeBase64(encoded);
    if (name === undefined || !isName(name) || octets === undefined || octets.length < 5)
      throw refused('a line of signature is malformed');
    return { name, id: octets.toString('hex', 0, 4), signature: octets.subarray(4) };
  });
  return { text: note.slice(0, blank + 1), signatures };
}

/** Opens a note that at least one of the keys must have signed. Signatures of other keys are passed over; a signature
 *  of a known key that does not verify refuses the whole note.
 *  @throws {OncewayError} `checkpoint_invalid`; `key_invalid` for a malformed key
 *  @throws {TypeError} for the key of a witness: verifyCosignatures takes those */
export function openNote(note: string, keys: readonly string[]): OpenedNote {
  const known = keys.map(parseVerifierKey);
  if (known.some((key) => key.type !== 1)) throw new TypeError('a witness signs no note but a cosignature');
  const parsed = parseNote(note);
  const text = Buffer.from(parsed.text);
  const verified = new Set<VerifierKey>();
  for (const { name, id, signature } of parsed.signatures)
    for (const key of known.filter((candidate) => candidate.name === name && candidate.id === id)) {
      if (signature.length !== SIGNATURE_BYTES || !verify(null, text, key.publicKey, signature))
        throw refused(`the signature of ${name} does not verify`);
      verified.add(key.vkey);
    }
  if (verified.size === 0) throw refused('no known key signed the note');
  return { ...parsed, verified: [...verified] };
}
