// PKCS#12 files through node-forge, the only library here that opens the legacy ones (RC2, 3DES) as well; loaded only
// when a file comes in. Forge unpacks, nothing else: keys and certificates are judged by node:crypto.
import { createHmac, createPrivateKey, timingSafeEqual } from 'node:crypto';
import type forgeTypes from 'node-forge';
import { OncewayError } from '@onceway/sdk/protocol';
import { matchCertificate } from './import-pem.js';
import { checkKey, parseCertificate, type ImportedKey } from './key-material.js';

/** One key and a chain; smart card exports stay below 20 KiB. */
export const PKCS12_BYTES_MAX = 128 * 1024;
/** The MAC's derivation runs in JavaScript, some µs a round: a file must not hold the process for longer than seconds. */
const MAC_ROUNDS_MAX = 500_000;

type Forge = typeof forgeTypes;
type Node = forgeTypes.asn1.Asn1;

/** Reads the one key of the file and its certificates. The MAC must verify.
 *  @throws {OncewayError} `key_invalid`; `pin_incorrect` for a wrong password */
export async function importPkcs12(octets: Buffer, password: string): Promise<ImportedKey> {
  if (octets.length > PKCS12_BYTES_MAX) throw invalid(`more than ${PKCS12_BYTES_MAX} octets`);
  const { default: forge } = await import('node-forge');
  try {
    const pfx = forge.asn1.fromDer(forge.util.createBuffer(octets.toString('binary')));
    checkMac(forge, pfx, password);
    return select(openBags(forge, pfx, password));
  } catch (cause) {
    if (cause instanceof OncewayError) throw cause;
    throw invalid('the file does not open', cause);
  }
}

function select({ keys, certificates }: { keys: Buffer[]; certificates: Buffer[] }): ImportedKey {
  const [der] = keys;
  if (keys.length !== 1 || der === undefined) throw invalid(`expected one private key, found ${keys.length}`);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  checkKey(key);
  return { key, ...matchCertificate(key, certificates.map(parseCertificate)) };
}

/** The MAC (RFC 7292 §5.1, appendix B) is checked here and not by forge, for two reasons: forge has no error codes, so
 *  that a wrong password would look like a bad file; and it takes one spelling of the password, where PKCS#12 has two:
 *  UTF-16 in its own derivation, UTF-8 in PBES2. */
function checkMac(forge: Forge, pfx: Node, password: string): void {
  const [, safe, mac] = childrenOf(pfx);
  const [info, salt, rounds] = childrenOf(mac);
  const [algorithm, expected] = childrenOf(info);
  const oid = childrenOf(algorithm)[0];
  if (oid === undefined || salt === undefined || expected === undefined)
    throw invalid('the file has no MAC under a password');
  const name = (forge.pki.oids as Record<string, string>)[forge.asn1.derToOid(oid.value as string)] ?? '';
  const digest = {
    sha1: forge.md.sha1,
    sha256: forge.md.sha256,
    sha384: forge.md.sha384,
    sha512: forge.md.sha512,
  }[name]?.create();
  if (digest === undefined) throw invalid('the MAC is of an unknown kind');
  const count = rounds === undefined ? Buffer.from([1]) : octetsOf(rounds);
  if (count.length === 0 || count.length > 4 || count.readUIntBE(0, count.length) > MAC_ROUNDS_MAX)
    throw invalid(`more than ${MAC_ROUNDS_MAX} rounds of key derivation`);
  const key = forge.pkcs12.generateKey(
    password,
    forge.util.createBuffer(octetsOf(salt).toString('binary')),
    3,
    count.readUIntBE(0, count.length),
    digest.digestLength,
    digest,
  );
  const content = octetsOf(childrenOf(childrenOf(safe)[1])[0]);
  const computed = createHmac(name, Buffer.from(key.getBytes(), 'binary')).update(content).digest();
  const given = octetsOf(expected);
  if (given.length !== computed.length || !timingSafeEqual(given, computed))
    throw new OncewayError('pin_incorrect', 'the password does not open this PKCS#12 file');
}

function openBags(forge: Forge, pfx: Node, password: string): { keys: Buffer[]; certificates: Buffer[] } {
  const { asn1, pki } = forge;
  const { pkcs8ShroudedKeyBag, keyBag, certBag } = pki.oids as Record<string, string>;
  const derOf = (node: Node): Buffer => Buffer.from(asn1.toDer(node).getBytes(), 'binary');
  // The MAC is checked, and must not be checked again with the other spelling.
  const unsealed = asn1.create(pfx.tagClass, pfx.type, true, childrenOf(pfx).slice(0, 2));
  const utf8 = Buffer.from(password).toString('binary');
  let file: forgeTypes.pkcs12.Pkcs12Pfx;
  try {
    file = forge.pkcs12.pkcs12FromAsn1(unsealed, true, utf8);
  } catch (cause) {
    if (utf8 === password) throw cause;
    file = forge.pkcs12.pkcs12FromAsn1(unsealed, true, password);
  }
  const bags = (type: string | undefined): forgeTypes.pkcs12.Bag[] =>
    file.getBags({ bagType: type ?? '' })[type ?? ''] ?? [];
  return {
    // Forge knows RSA only: of an EC key (or its certificate) it leaves the ASN.1, which is what is wanted anyway.
    keys: [...bags(pkcs8ShroudedKeyBag), ...bags(keyBag)].map((bag) =>
      derOf(bag.key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(bag.key)) : bag.asn1),
    ),
    certificates: bags(certBag).map((bag) => derOf(bag.cert ? pki.certificateToAsn1(bag.cert) : bag.asn1)),
  };
}

const childrenOf = (node: Node | undefined): Node[] => (Array.isArray(node?.value) ? node.value : []);

/** Of an OCTET STRING in one piece (DER) or several (BER). */
const octetsOf = (node: Node | undefined): Buffer =>
  typeof node?.value === 'string'
    ? Buffer.from(node.value, 'binary')
    : Buffer.concat(childrenOf(node).map(octetsOf));

function invalid(why: string, cause?: unknown): OncewayError {
  return new OncewayError('key_invalid', `PKCS#12: ${why}`, { cause });
}
