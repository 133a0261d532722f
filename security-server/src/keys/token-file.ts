// token.json: the form in which a software token lies on disk, sealed under a PIN. Nothing here knows what a key is for.
// Confidentiality: each secret under AES-256-GCM. Integrity: one MAC over everything, certificates and flags included.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  scryptSync,
  timingSafeEqual,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OncewayError, parseStrictObject } from '@onceway/sdk/protocol';

/** scrypt for a PIN (RFC 7914): 16 MiB and about 0.15 s once at start; OWASP's password storage table, r = 8. */
const SCRYPT = { N: 16_384, r: 8, p: 5 } as const;
/** A token larger than this is none: some thousands of keys with their certificates. */
export const TOKEN_FILE_BYTES_MAX = 16 * 1024 * 1024;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

export interface StoredCertificate {
  /** DER in base64. */
  readonly certificate: string;
  readonly active: boolean;
}

/** `internal`: TLS towards the information systems of the members hosted here. */
export type KeyUsage = 'authentication' | 'internal' | 'signing' | 'log' | 'pseudonym' | 'content';

export interface StoredKey {
  readonly id: string;
  readonly usage: KeyUsage;
  readonly alg: string;
  readonly member?: string;
  /** Of a log key its name, of a pseudonym key its quarter. */
  readonly name?: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** SPKI DER in base64, of key pairs. */
  readonly publicKey?: string;
  /** iv (12) ‖ tag (16) ‖ ciphertext, base64. */
  readonly sealed: string;
  readonly certificates: readonly StoredCertificate[];
}

type Random = (size: number) => Buffer;

/** @throws {OncewayError} `not_found` */
export function readTokenFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new OncewayError('not_found', `${file} can not be read; init makes it`, { cause });
  }
}

/** The keys derived from one PIN and salt. They live as long as the token is open. */
export class PinSeal {
  readonly #salt: Buffer;
  readonly #sealing: Buffer;
  readonly #mac: Buffer;
  readonly #verifier: Buffer;

  constructor(pin: string, salt: Buffer) {
    // NFC: the same PIN typed on another keyboard must stay the same PIN.
    const master = scryptSync(Buffer.from(pin.normalize('NFC')), salt, 32, {
      ...SCRYPT,
      maxmem: 32 * 1024 * 1024,
    });
    const derive = (what: string): Buffer =>
      Buffer.from(hkdfSync('sha256', master, '', `onceway token v1 ${what}`, 32));
    this.#salt = salt;
    this.#sealing = derive('sealing');
    this.#mac = derive('mac');
    this.#verifier = derive('verifier');
  }

  /** The octets of token.json. */
  encode(keys: readonly StoredKey[]): Buffer {
    const body = {
      v: 1,
      kdf: { name: 'scrypt', ...SCRYPT, salt: this.#salt.toString('base64') },
      verifier: this.#verifier.toString('base64'),
      keys,
    };
    return Buffer.from(JSON.stringify({ ...body, mac: this.#macOf(body).toString('base64') }));
  }

  /** @throws {OncewayError} `pin_incorrect`; `key_invalid` for a file that is damaged or was altered */
  static decode(octets: Buffer, pin: string): { seal: PinSeal; keys: StoredKey[] } {
    const { mac, ...body } = parseBody(octets);
    const seal = new PinSeal(pin, decode((body['kdf'] as { salt: string }).salt));
    if (!timingSafeEqual(seal.#verifier, decode(body['verifier'])))
      throw new OncewayError('pin_incorrect', 'the PIN does not open this token');
    if (!timingSafeEqual(seal.#macOf(body), decode(mac))) throw damaged('its content was altered');
    // Under the MAC: exactly what encode wrote, so its shape needs no further check.
    return { seal, keys: body['keys'] as StoredKey[] };
  }

  seal(key: Pick<StoredKey, 'id' | 'usage'>, secret: Uint8Array, random: Random): string {
    const iv = random(12);
    const cipher = createCipheriv('aes-256-gcm', this.#sealing, iv);
    cipher.setAAD(aad(key));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** @throws {OncewayError} `key_invalid` when the octets belong to another key or usage */
  unseal(key: StoredKey): Buffer {
    const octets = Buffer.from(key.sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.#sealing, octets.subarray(0, 12), {
      authTagLength: 16,
    });
    decipher.setAAD(aad(key));
    decipher.setAuthTag(octets.subarray(12, 28));
    try {
      return Buffer.concat([decipher.update(octets.subarray(28)), decipher.final()]);
    } catch (cause) {
      throw new OncewayError('key_invalid', `key ${key.id} does not unseal`, { cause });
    }
  }

  #macOf(body: object): Buffer {
    return createHmac('sha256', this.#mac).update(JSON.stringify(body)).digest();
  }
}

const aad = (key: Pick<StoredKey, 'id' | 'usage'>): Buffer =>
  Buffer.from(`onceway token v1 ${key.id} ${key.usage}`);

function damaged(why: string, cause?: unknown): OncewayError {
  return new OncewayError('key_invalid', `token.json is damaged: ${why}`, { cause });
}

/** What must hold before a key can be derived: bounds, the one JSON form, parameters that this version writes. */
function parseBody(octets: Buffer): Record<string, unknown> {
  if (octets.length > TOKEN_FILE_BYTES_MAX) throw damaged('too large');
  const text = octets.toString('utf8');
  let file: Record<string, unknown>;
  try {
    file = parseStrictObject(text);
  } catch (cause) {
    throw damaged('not JSON in its one form', cause);
  }
  // Decoding replaces bad UTF-8 silently: two files must never read as one.
  if (Buffer.compare(Buffer.from(text), octets) !== 0) throw damaged('not UTF-8');
  if (Object.keys(file).join() !== 'v,kdf,verifier,keys,mac' || file['v'] !== 1)
    throw damaged('not a token of version 1');
  const kdf = file['kdf'] as Record<string, unknown> | null;
  const salt = kdf?.['salt'];
  if (JSON.stringify({ name: 'scrypt', ...SCRYPT, salt }) !== JSON.stringify(kdf))
    throw damaged('unknown key derivation');
  for (const [part, size] of [
    [salt, 16],
    [file['verifier'], 32],
    [file['mac'], 32],
  ] as const)
    if (decode(part).length !== size) throw damaged('a field has a wrong size');
  return file;
}

function decode(text: unknown): Buffer {
  if (typeof text !== 'string' || !BASE64.test(text)) throw damaged('a field is not base64');
  const octets = Buffer.from(text, 'base64');
  if (octets.toString('base64') !== text) throw damaged('a field is not base64 in its one form');
  return octets;
}
