// Signed notes, checkpoints and cosignatures: c2sp.org/signed-note, /tlog-checkpoint, /tlog-cosignature (v1, Ed25519).
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { prove, type Rule } from './finding.js';
import { decode, sha256 } from './octets.js';

export interface WitnessPolicy {
  readonly witnesses: readonly { readonly key: string }[];
  readonly threshold: number;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** Text, blank line and the log's own signature line: what a time-stamp is over. */
  readonly stamped: string;
}

interface VerifierKey {
  readonly name: string;
  readonly id: string;
  readonly key: KeyObject;
}

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const COSIGNATURE_BYTES = 8 + 64;

/** `<name>+<id>+<base64 of type and key>`; type 1 signs notes, 4 cosigns. */
function parseVkey(vkey: string, type: 1 | 4, rule: Rule): VerifierKey {
  const [, name = '', id = '', encoded = ''] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey) ?? [];
  const octets = decode(encoded, 'base64', rule);
  prove(octets.length === 33 && octets[0] === type, rule, `not a verifier key of type ${type}: ${vkey}`);
  const expected = sha256(Buffer.from(`${name}\n`), octets).toString('hex', 0, 4);
  prove(expected === id, rule, 'the id of a verifier key does not fit it');
  const der = Buffer.concat([ED25519_SPKI, octets.subarray(1)]);
  return { name, id, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) };
}

/** A note taken apart. */
function parseNote(note: string) {
  const blank = note.lastIndexOf('\n\n');
  prove(blank > 0 && note.endsWith('\n'), 'checkpoint', 'not a signed note');
  const lines = note.slice(blank + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const [, name = '', encoded = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    const octets = decode(encoded, 'base64', 'checkpoint');
    prove(octets.length > 4, 'checkpoint', 'a line of signature is malformed');
    return { name, id: octets.toString('hex', 0, 4), signature: octets.subarray(4) };
  });
  const text = note.slice(0, blank + 1);
  return { text, signatures, stamped: `${text}\n${lines[0] ?? ''}\n` };
}

/** Opens a checkpoint whose first signature is by the log's key; its name must be the origin. */
export function openCheckpoint(note: string, vkey: string, rule: Rule = 'checkpoint'): Checkpoint {
  const key = parseVkey(vkey, 1, rule);
  const { text, signatures, stamped } = parseNote(note);
  const [own] = signatures;
  const isSigned =
    own?.name === key.name && own.id === key.id && verify(null, Buffer.from(text), key.key, own.signature);
  prove(isSigned, rule, `the checkpoint is not signed by ${key.name}`);
  const [, origin = '', size = '', root = ''] = /^([^\n]+)\n(0|[1-9]\d*)\n(\S+)\n$/.exec(text) ?? [];
  prove(origin === key.name, rule, 'the checkpoint is of another log than the key');
  return { origin, size: Number(size), root: decode(root, 'base64', rule), stamped };
}

/** Different witnesses of the policy that cosigned the note. */
export function verifyCosignatures(note: string, policy: WitnessPolicy): number {
  const { text, signatures } = parseNote(note);
  const signers = new Set<string>();
  for (const { key: vkey } of policy.witnesses) {
    const { name, id, key } = parseVkey(vkey, 4, 'cosignature');
    for (const { signature } of signatures.filter((line) => line.name === name && line.id === id)) {
      prove(signature.length === COSIGNATURE_BYTES, 'cosignature', `${name} cosigned otherwise`);
      const message = `cosignature/v1\ntime ${signature.readBigUInt64BE()}\n${text}`;
      const isGood = verify(null, Buffer.from(message), key, signature.subarray(8));
      prove(isGood, 'cosignature', `the cosignature of ${name} does not verify`);
      signers.add(key.export({ format: 'der', type: 'spki' }).toString('hex'));
    }
  }
  const { threshold } = policy;
  prove(signers.size >= threshold, 'cosignature', `${signers.size} of ${threshold} witnesses cosigned`);
  return signers.size;
}
