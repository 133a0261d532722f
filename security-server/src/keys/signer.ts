// What the rest of the server asks of its keys. Where they lie (a software token now, PKCS#11 later) is decided beside
// this file; private keys of members never leave the token through it.
import type { KeyObject, X509Certificate } from 'node:crypto';
import type { Digest, MemberId } from '@onceway/schemas';
import type { SignatureAlgorithm } from '@onceway/sdk/protocol';

/** A member's key with the certificate under which it signs. */
export interface SigningKey {
  readonly alg: SignatureAlgorithm;
  readonly member: MemberId;
  readonly certificate: X509Certificate;
  /** `x5t#S256`: SHA-256 of the certificate's DER. */
  readonly certificateDigest: Digest;
  /** Raw signature over the octets (ES256: r ‖ s, low s). Synchronous in a software token, a promise in an HSM. */
  sign(input: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A TLS identity of the server: towards peers, or towards information systems. The key is handed out because node:tls signs with it. */
export interface AuthenticationKey {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  readonly certificateDigest: Digest;
}

export interface Token {
  /** The newest active signing certificate of the member and its key.
   *  @throws {OncewayError} `signing_key_unavailable` */
  signingKey(member: MemberId): SigningKey;
  /** The newest active authentication certificate and its key.
   *  @throws {OncewayError} `signing_key_unavailable` */
  authentication(): AuthenticationKey;
  /** The newest active certificate for TLS towards information systems, and its key.
   *  @throws {OncewayError} `signing_key_unavailable` */
  internal(): AuthenticationKey;
  /** Ed25519 private key of the log so named ("server", "lane-0"), made at init.
   *  @throws {OncewayError} `signing_key_unavailable` */
  logKey(name: string): KeyObject;
  /** 32 octets for pseudonyms of one member and quarter (`YYYY-Qn`); made on first use, and durable before returned. */
  pseudonymKey(member: MemberId, quarter: string): Buffer;
  /** Wraps the 32 octets of one exchange's content key (RFC 3394): 40 octets. */
  wrapContentKey(raw: Buffer): Buffer;
  /** @throws {OncewayError} `key_invalid` when the octets were not wrapped by this token. */
  unwrapContentKey(wrapped: Buffer): Buffer;
}
