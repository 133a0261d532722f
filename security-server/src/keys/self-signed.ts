// The server's certificate towards information systems, signed by its own key: they are given it as it is, so that no
// authority is needed inside a member's network. @peculiar/x509 is loaded only when one is made: it costs 20 MiB.
import { createPublicKey, generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { OncewayError } from '@onceway/sdk/protocol';
import { SELF_SIGNED_DAYS } from '../limits.js';
import { HOST_NAME } from './certificate-request.js';
import type { KeyInfo } from './key-info.js';
import type { SoftwareToken } from './software-token.js';

const DAY_MS = 86_400_000;
/** A clock that is a little behind shall not find it from the future. */
const BACKDATED_MS = 3_600_000;
const NAMES_MAX = 50;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Makes a key of usage `internal` with its certificate. It is active where there is no other active one.
 *  @param names host names and addresses by which information systems reach the listener
 *  @throws {OncewayError} `request_invalid` for a name that is none */
export async function makeInternalKey(
  token: Pick<SoftwareToken, 'importKey'>,
  names: readonly string[],
  nowMs: number,
  randomBytes: (size: number) => Buffer,
): Promise<KeyInfo> {
  const [first] = names;
  if (first === undefined || names.length > NAMES_MAX || !names.every(isName))
    throw new OncewayError('request_invalid', 'a name is no host name or address', {
      rule: `1 to ${NAMES_MAX} host names or addresses`,
    });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const { subtle } = webcrypto;
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const publicKey = await subtle.importKey('spki', spki, ALGORITHM, true, ['verify']);
  const name = [{ CN: [first.slice(0, 64)] }];
  const certificate = await x509.X509CertificateGenerator.create(
    {
      // Positive, and never with a leading zero octet.
      serialNumber: `4${randomBytes(16).toString('hex').slice(1)}`,
      subject: name,
      issuer: name,
      notBefore: new Date(nowMs - BACKDATED_MS),
      notAfter: new Date(nowMs + SELF_SIGNED_DAYS * DAY_MS),
      publicKey,
      signingKey: await subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']),
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        // Server to those who ask, client to the services that are called.
        new x509.ExtendedKeyUsageExtension([
          x509.ExtendedKeyUsage.serverAuth,
          x509.ExtendedKeyUsage.clientAuth,
        ]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
        ),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return token.importKey(
    privateKey,
    { usage: 'internal' },
    new X509Certificate(Buffer.from(certificate.rawData)),
  );
}

const isName = (name: string): boolean => isIP(name) !== 0 || HOST_NAME.test(name);
