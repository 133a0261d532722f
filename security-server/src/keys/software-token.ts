// Keys in one file, sealed under a PIN (token-file.ts). Everything is unsealed once, at open: a signature or a wrapped
// content key costs microseconds. A change is durable before the method that made it returns.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes as systemRandomBytes,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Digest, MemberId } from '@onceway/schemas';
import { digestOf, OncewayError, signOctets, type SignatureAlgorithm } from '@onceway/sdk/protocol';
import { certificateRequest, type RequestedNames } from './certificate-request.js';
import { replaceFile } from './durable-file.js';
import { infoOf, type KeyInfo } from './key-info.js';
import { checkKey, describeCertificate } from './key-material.js';
import type { AuthenticationKey, SigningKey, Token } from './signer.js';
import { PinSeal, readTokenFile, type KeyUsage, type StoredKey } from './token-file.js';

const PIN_LENGTH_MIN = 8;
/** RFC 3394 §2.2.3.1. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);
const WRAPPED_KEY_BYTES = 40;

const TAKES_CERTIFICATE: ReadonlySet<KeyUsage> = new Set(['authentication', 'internal', 'signing']);

/** Where a new key belongs: signing keys to a member, log keys to a name. */
export type KeyPurpose =
  | { readonly usage: 'authentication' | 'internal'; readonly alg?: SignatureAlgorithm }
  | { readonly usage: 'signing'; readonly member: MemberId; readonly alg?: SignatureAlgorithm }
  | { readonly usage: 'log'; readonly name: string };

export interface TokenOptions {
  readonly clock?: () => number;
  readonly randomBytes?: (size: number) => Buffer;
  /** Told after each durable change. */
  readonly changed?: () => void;
}

interface OpenKey {
  stored: StoredKey;
  /** A private key, or the octets of a secret. */
  readonly secret: KeyObject | Buffer;
}

export class SoftwareToken implements Token {
  readonly #file: string;
  readonly #seal: PinSeal;
  readonly #keys = new Map<string, OpenKey>();
  readonly #clock: () => number;
  readonly #random: (size: number) => Buffer;
  readonly #changed: () => void;
  /** Digest of the file as this process last read or wrote it. */
  #known: Digest | undefined;
  /** Filled on first use, emptied by every change: what the hot path reads. */
  readonly #signing = new Map<MemberId, SigningKey>();
  readonly #pseudonyms = new Map<string, Buffer>();
  readonly #tls = new Map<'authentication' | 'internal', AuthenticationKey>();
  #content: Buffer | undefined;

  private constructor(file: string, seal: PinSeal, options: TokenOptions) {
    this.#file = file;
    this.#seal = seal;
    this.#clock = options.clock ?? Date.now;
    this.#random = options.randomBytes ?? systemRandomBytes;
    this.#changed = options.changed ?? (() => undefined);
  }

  /** Makes the file, with the one content key in it.
   *  @throws {OncewayError} `conflict` when the file is there, `request_invalid` for a PIN that is too short */
  static create(file: string, pin: string, options: TokenOptions = {}): SoftwareToken {
    if (existsSync(file))
      throw new OncewayError('conflict', `${file} exists; a token is never made anew over one`);
    if (pin.length < PIN_LENGTH_MIN)
      throw new OncewayError('request_invalid', `a PIN has at least ${PIN_LENGTH_MIN} characters`);
    const token = new SoftwareToken(
      file,
      new PinSeal(pin, (options.randomBytes ?? systemRandomBytes)(16)),
      options,
    );
    token.#add({ usage: 'content', alg: 'A256KW' }, token.#random(32));
    return token;
  }

  /** @throws {OncewayError} `not_found`, `pin_incorrect`, `key_invalid` (damaged or altered) */
  static open(file: string, pin: string, options: TokenOptions = {}): SoftwareToken {
    const octets = readTokenFile(file);
    const { seal, keys } = PinSeal.decode(octets, pin);
    const token = new SoftwareToken(file, seal, options);
    token.#known = digestOf(octets);
    for (const stored of keys) {
      const secret = seal.unseal(stored);
      token.#keys.set(stored.id, { stored, secret: stored.publicKey === undefined ? secret : keyOf(secret) });
    }
    return token;
  }

  signingKey(member: MemberId): SigningKey {
    let signing = this.#signing.get(member);
    if (signing === undefined) {
      const { key, alg, certificate } = this.#newestActive('signing', member);
      signing = {
        alg,
        member,
        certificate,
        certificateDigest: digestOf(certificate.raw),
        sign: (input) => signOctets(alg, key, input),
      };
      this.#signing.set(member, signing);
    }
    return signing;
  }

  authentication(): AuthenticationKey {
    return this.#tlsKey('authentication');
  }

  internal(): AuthenticationKey {
    return this.#tlsKey('internal');
  }

  logKey(name: string): KeyObject {
    for (const { stored, secret } of this.#keys.values())
      if (stored.usage === 'log' && stored.name === name) return secret as KeyObject;
    throw new OncewayError('signing_key_unavailable', `no key for the log "${name}"; init makes it`);
  }

  pseudonymKey(member: MemberId, quarter: string): Buffer {
    const place = `${member} ${quarter}`;
    let key = this.#pseudonyms.get(place);
    if (key === undefined) {
      if (!/^\d{4}-Q[1-4]$/.test(quarter)) throw new TypeError(`not a quarter: ${quarter}`);
      key = this.#secretOf('pseudonym', member, quarter);
      // Durable first: an entry with a pseudonym whose key was lost could never be found again.
      if (key === undefined)
        this.#add({ usage: 'pseudonym', alg: 'HS256', member, name: quarter }, (key = this.#random(32)));
      this.#pseudonyms.set(place, key);
    }
    return key;
  }

  wrapContentKey(raw: Buffer): Buffer {
    if (raw.length !== 32) throw new TypeError('a content key has 32 octets');
    const cipher = createCipheriv('id-aes256-wrap', this.#contentKey(), KEY_WRAP_IV);
    return Buffer.concat([cipher.update(raw), cipher.final()]);
  }

  unwrapContentKey(wrapped: Buffer): Buffer {
    const decipher = createDecipheriv('id-aes256-wrap', this.#contentKey(), KEY_WRAP_IV);
    try {
      if (wrapped.length !== WRAPPED_KEY_BYTES) throw new RangeError('a wrapped key has 40 octets');
      return Buffer.concat([decipher.update(wrapped), decipher.final()]);
    } catch (cause) {
      throw new OncewayError('key_invalid', 'the content key was not wrapped by this token', { cause });
    }
  }

  /** @throws {OncewayError} `key_invalid` for another algorithm, `conflict` for a log key whose name is taken */
  generateKey(purpose: KeyPurpose): KeyInfo {
    if (purpose.usage === 'log') {
      if (this.keys().some((key) => key.usage === 'log' && key.name === purpose.name))
        throw new OncewayError('conflict', `the log "${purpose.name}" has its key`);
      return this.#addPair({ ...purpose, alg: 'EdDSA' }, generateKeyPairSync('ed25519').privateKey);
    }
    const alg = purpose.alg ?? 'ES256';
    if (alg === 'EdDSA') throw new OncewayError('key_invalid', 'authorities certify no Ed25519 keys');
    const { privateKey } =
      alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 3072 });
    return this.#addPair({ ...purpose, alg: checkKey(privateKey, alg) }, privateKey);
  }

  /** Takes a key made elsewhere (import-pem.ts, import-pkcs12.ts), with its certificate when there is one.
   *  A key that is here already stays, and the certificate is added to it.
   *  @throws {OncewayError} `key_invalid` */
  importKey(
    key: KeyObject,
    purpose: Exclude<KeyPurpose, { usage: 'log' }>,
    certificate?: X509Certificate,
  ): KeyInfo {
    const alg = checkKey(key, purpose.alg);
    if (certificate !== undefined && !certificate.checkPrivateKey(key))
      throw new OncewayError('key_invalid', 'the certificate is for another key');
    const publicKey = spkiOf(key);
    const here = [...this.#keys.values()].find(({ stored }) => stored.publicKey === publicKey)?.stored;
    const member = purpose.usage === 'signing' ? purpose.member : undefined;
    if (here !== undefined && (here.usage !== purpose.usage || here.member !== member))
      throw new OncewayError('key_invalid', `this key is here for another use (${here.usage})`);
    const info = here === undefined ? this.#addPair({ ...purpose, alg }, key) : infoOf(here);
    return certificate === undefined ? info : this.addCertificate(certificate.raw);
  }

  /** PKCS#10 in PEM, signed by the key itself.
   *  @throws {OncewayError} `not_found`, `key_invalid` (a key that takes no certificate) */
  async certificateRequest(keyId: string, names: RequestedNames): Promise<string> {
    const { stored, secret } = this.#keys.get(keyId) ?? notFound(`key ${keyId}`);
    if (!TAKES_CERTIFICATE.has(stored.usage))
      throw new OncewayError('key_invalid', `a ${stored.usage} key takes no certificate`);
    return certificateRequest(secret as KeyObject, stored.alg as SignatureAlgorithm, names);
  }

  /** Adds a certificate to the key it certifies. It is active at once when the usage (and member) has no other:
   *  a renewed one waits for setActive, until the registry lists it. Adding one twice changes nothing.
   *  @throws {OncewayError} `key_invalid` when it is no certificate, or of no key here */
  addCertificate(der: Uint8Array): KeyInfo {
    const certificate = describeCertificate(der);
    const { publicKey } = certificate;
    const open = [...this.#keys.values()].find(({ stored }) => stored.publicKey === publicKey);
    if (open === undefined || open.stored.usage === 'log')
      throw new OncewayError('key_invalid', 'the certificate is for none of the keys here');
    const { stored } = open;
    const octets = Buffer.from(der).toString('base64');
    if (stored.certificates.some((each) => each.certificate === octets)) return infoOf(stored);
    const active = this.#candidates(stored.usage, stored.member).length === 0;
    return this.#change(open, {
      ...stored,
      certificates: [...stored.certificates, { certificate: octets, active }],
    });
  }

  /** @throws {OncewayError} `not_found` */
  setActive(certificateDigest: Digest, active: boolean): KeyInfo {
    for (const open of this.#keys.values()) {
      const certificates = open.stored.certificates.map((each) =>
        digestOf(Buffer.from(each.certificate, 'base64')) === certificateDigest ? { ...each, active } : each,
      );
      if (certificates.some((each, index) => each !== open.stored.certificates[index]))
        return this.#change(open, { ...open.stored, certificates });
    }
    return notFound(`certificate ${certificateDigest}`);
  }

  keys(): KeyInfo[] {
    return [...this.#keys.values()].map(({ stored }) => infoOf(stored));
  }

  #tlsKey(usage: 'authentication' | 'internal'): AuthenticationKey {
    let found = this.#tls.get(usage);
    if (found === undefined) {
      const { key, certificate } = this.#newestActive(usage);
      this.#tls.set(usage, (found = { key, certificate, certificateDigest: digestOf(certificate.raw) }));
    }
    return found;
  }

  #contentKey(): Buffer {
    this.#content ??= this.#secretOf('content') ?? notFound('the content key');
    return this.#content;
  }

  #secretOf(usage: KeyUsage, member?: string, name?: string): Buffer | undefined {
    for (const { stored, secret } of this.#keys.values())
      if (stored.usage === usage && stored.member === member && stored.name === name) return secret as Buffer;
    return undefined;
  }

  #candidates(
    usage: KeyUsage,
    member?: string,
  ): { key: KeyObject; alg: SignatureAlgorithm; certificate: X509Certificate }[] {
    return [...this.#keys.values()]
      .filter(({ stored }) => stored.usage === usage && stored.member === member)
      .flatMap(({ stored, secret }) =>
        stored.certificates
          .filter(({ active }) => active)
          .map(({ certificate }) => ({
            key: secret as KeyObject,
            alg: stored.alg as SignatureAlgorithm,
            certificate: new X509Certificate(Buffer.from(certificate, 'base64')),
          })),
      );
  }

  #newestActive(usage: 'authentication' | 'internal' | 'signing', member?: MemberId) {
    const from = (certificate: X509Certificate): number => Date.parse(certificate.validFrom);
    const newest = this.#candidates(usage, member)
      .sort((a, b) => from(a.certificate) - from(b.certificate))
      .at(-1);
    if (newest === undefined)
      throw new OncewayError(
        'signing_key_unavailable',
        `no active ${usage} certificate${member === undefined ? '' : ` for ${member}`}`,
      );
    return newest;
  }

  #addPair(key: Pick<StoredKey, 'usage' | 'alg' | 'member' | 'name'>, privateKey: KeyObject): KeyInfo {
    return this.#add(
      { ...key, publicKey: spkiOf(privateKey) },
      privateKey.export({ type: 'pkcs8', format: 'der' }),
      privateKey,
    );
  }

  #add(
    key: Pick<StoredKey, 'usage' | 'alg' | 'member' | 'name' | 'publicKey'>,
    octets: Buffer,
    secret: KeyObject | Buffer = octets,
  ): KeyInfo {
    // Hexadecimal: it is typed after commands, where a leading hyphen would be taken for an option.
    const id = this.#random(16).toString('hex');
    const stored: StoredKey = {
      id,
      usage: key.usage,
      alg: key.alg,
      ...(key.member === undefined ? {} : { member: key.member }),
      ...(key.name === undefined ? {} : { name: key.name }),
      createdAt: this.#clock(),
      ...(key.publicKey === undefined ? {} : { publicKey: key.publicKey }),
      sealed: this.#seal.seal({ id, usage: key.usage }, octets, this.#random),
      certificates: [],
    };
    return this.#change({ stored, secret }, stored);
  }

  /** Writes the file with the key as it shall be, and only then changes what is in memory. */
  #change(open: OpenKey, stored: StoredKey): KeyInfo {
    const others = [...this.#keys.values()].map((each) => each.stored);
    const keys = this.#keys.has(stored.id)
      ? others.map((each) => (each.id === stored.id ? stored : each))
      : [...others, stored];
    // Another process may have added a key meanwhile (a command beside a running server): never write over it.
    const present = existsSync(this.#file) ? digestOf(readTokenFile(this.#file)) : undefined;
    if (present !== this.#known)
      throw new OncewayError('conflict', `${this.#file} was changed by another process; open it again`);
    const octets = this.#seal.encode(keys);
    replaceFile(this.#file, octets);
    this.#known = digestOf(octets);
    this.#keys.set(stored.id, { ...open, stored });
    this.#signing.clear();
    this.#tls.clear();
    this.#changed();
    return infoOf(stored);
  }
}

const keyOf = (der: Buffer): KeyObject => createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });

const spkiOf = (key: KeyObject): string =>
  createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64');

function notFound(what: string): never {
  throw new OncewayError('not_found', `${what} is not in the token`);
}
