// Certificates for one run of the bench, made by openssl in a folder that the run removes. Not the product's keys.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly authority: string;
  readonly consumer: { readonly key: string; readonly certificate: string };
  readonly provider: { readonly key: string; readonly certificate: string };
}

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args[0] ?? ''}: ${stderr}`);
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A root and two P-256 leaves for `localhost`, valid for a day. */
export function makeCertificates(folder: string): CertificateFiles {
  const file = (name: string): string => join(folder, name);
  openssl(
    'req',
    '-x509',
    '-subj',
    '/CN=bench',
    '-days',
    '1',
    ...P256,
    '-keyout',
    file('root.key'),
    '-out',
    file('root.pem'),
  );
  writeFileSync(
    file('leaf.cnf'),
    'subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n',
  );
  const leaf = (name: string): { key: string; certificate: string } => {
    const pair = { key: file(`${name}.key`), certificate: file(`${name}.pem`) };
    openssl('req', '-new', '-subj', `/CN=${name}`, ...P256, '-keyout', pair.key, '-out', file(`${name}.csr`));
    openssl(
      ...['x509', '-req', '-in', file(`${name}.csr`), '-days', '1', '-extfile', file('leaf.cnf')],
      ...['-CA', file('root.pem'), '-CAkey', file('root.key'), '-CAcreateserial', '-out', pair.certificate],
    );
    return pair;
  };
  return { authority: file('root.pem'), consumer: leaf('consumer'), provider: leaf('provider') };
}
