// The keys of an instance, one PEM file each, and how objects are signed with them. Root keys only delegate: `run`
// never reads them, so they may lie on another machine after `init`.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyId } from '@onceway/schemas';
import { digestOf, OncewayError, type RawKey } from '@onceway/sdk/protocol';
import { CompactSign } from 'jose';
import { pkcs8PemOf, writeSecret } from '../trust-services/credential.js';

type InstanceKey = 'root' | 'configuration' | 'registry-log' | 'audit-log';

const fileOf = (folder: string, name: InstanceKey): string => join(folder, 'keys', `${name}.pem`);

/** Makes an Ed25519 key and writes it for its owner only (0600). */
export function createInstanceKey(folder: string, name: InstanceKey): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeSecret(fileOf(folder, name), pkcs8PemOf(privateKey));
  return privateKey;
}

/** @throws {OncewayError} `key_invalid` */
export function readInstanceKey(folder: string, name: InstanceKey): KeyObject {
  try {
    return createPrivateKey(readFileSync(fileOf(folder, name)));
  } catch (cause) {
    throw new OncewayError('key_invalid', `${fileOf(folder, name)} can not be read`, { cause });
  }
}

/** The public half, as delegations and anchors list it. */
export function rawKeyOf(key: KeyObject): RawKey {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { kid: digestOf(spki) as string as KeyId, publicKey: spki.toString('base64') };
}

/** Signs a payload as compact JWS under a raw key (docs/protocol.md#strict-decoding: `kid` in place of `x5t#S256`). */
export function signByRawKey(
  typ: 'configuration+jws' | 'delegation+jws',
  payload: object,
  key: KeyObject,
): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', typ, kid: rawKeyOf(key).kid })
    .sign(key);
}
