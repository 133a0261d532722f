// What lies in a live log, judged by programs that others wrote: npm's jose and Debian's, openssl, Go's sumdb.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify } from 'jose';
import { Audited, type Answer } from './audited.js';

const GOPATH = '/usr/share/gocode';
const hasGo =
  spawnSync('go', ['version']).status === 0 && existsSync(join(GOPATH, 'src/golang.org/x/mod/sumdb/note'));
const hasJose = spawnSync('jose', ['alg']).status === 0;
const isRequired = process.env['CI'] === 'true';

let audited: Audited;
let folder: string;
/** An answer as the management interface of its receiver shows it. */
let shown: Answer;
let compact: string;
let certificates: X509Certificate[];

const put = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const material = (kind: string): Buffer[] =>
  shown.materials
    .filter((each: Answer) => each.kind === kind)
    .map((each: Answer) => Buffer.from(each.octets as string, 'base64'));
const openssl = (...parameters: string[]): string =>
  execFileSync('openssl', parameters, { encoding: 'utf8', stdio: 'pipe' });

beforeAll(async () => {
  audited = await Audited.start();
  ({ folder } = audited.federation);
  const [, answer] = await audited.exchange('ping');
  await audited.ask(audited.consumer, 'POST', '/checkpoint', {});
  const { entries } = await audited.ask(audited.consumer, 'GET', `/messages/${answer}`);
  shown = entries[0];
  ({ message: compact } = JSON.parse(shown.entry as string) as { message: string });
  certificates = material('certificate').map((der) => new X509Certificate(der));
  for (const [i, certificate] of certificates.entries()) put(`${i}.pem`, certificate.toString());
});
afterAll(() => audited.stop());

/** The same JWS with another bit in its signature. */
function altered(): string {
  const [header, payload, signature = ''] = compact.split('.');
  const octets = Buffer.from(signature, 'base64url');
  octets.writeUInt8(octets.readUInt8(9) ^ 1, 9);
  return [header, payload, octets.toString('base64url')].join('.');
}

test('npm’s jose verifies a message from a log', async () => {
  const key = certificates[0]?.publicKey as X509Certificate['publicKey'];
  const { protectedHeader, payload } = await compactVerify(compact, key);
  expect(protectedHeader.typ).toBe('exchange-answer+jws');
  expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({ server: audited.provider.id });
  await expect(compactVerify(altered(), key)).rejects.toMatchObject({
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  });
});

(hasJose || isRequired ? test : test.skip)(
  'Debian’s jose verifies a message from a log (skipped without: apt-get install jose)',
  () => {
    const key = put('key.jwk', JSON.stringify(certificates[0]?.publicKey.export({ format: 'jwk' })));
    const verify = (name: string, jws: string) =>
      spawnSync('jose', ['jws', 'ver', '-i', put(name, jws), '-k', key, '-O', '-'], { encoding: 'utf8' });
    const good = verify('good.jws', compact);
    expect([good.status, good.stderr]).toEqual([0, '']);
    expect(JSON.parse(good.stdout)).toMatchObject({ server: audited.provider.id });
    expect(verify('altered.jws', altered()).status).not.toBe(0);
  },
);

test('openssl verifies the chain of the certificate in a log', () => {
  const names = certificates.map((_, i) => join(folder, `${i}.pem`));
  const [leaf = '', issuing = '', root = ''] = names;
  expect(openssl('verify', '-x509_strict', '-CAfile', root, '-untrusted', issuing, leaf)).toBe(
    `${leaf}: OK\n`,
  );
  expect(() => openssl('verify', '-CAfile', leaf, '-untrusted', issuing, leaf)).toThrow();
});

test('openssl verifies the OCSP answer in a log', () => {
  const [answer = Buffer.alloc(0)] = material('ocsp');
  const status = (name: string, der: Uint8Array) =>
    spawnSync(
      'openssl',
      [
        ...['ocsp', '-respin', put(name, der), '-sha256', '-issuer', join(folder, '1.pem')],
        ...['-cert', join(folder, '0.pem'), '-CAfile', join(folder, '2.pem'), '-no_nonce'],
      ],
      { encoding: 'utf8' },
    );
  const good = status('answer.der', answer);
  expect([good.status, good.stderr]).toEqual([0, 'Response verify OK\n']);
  expect(good.stdout).toContain(`${join(folder, '0.pem')}: good\n`);
  const other = Buffer.from(answer);
  const place = answer.indexOf(
    Buffer.from(new X509Certificate(certificates[0]?.raw ?? '').serialNumber, 'hex'),
  );
  other.writeUInt8(other.readUInt8(place) ^ 1, place);
  expect(status('other.der', other)).toMatchObject({ status: 1 });
});

test('openssl verifies the time-stamp over a checkpoint of a log', () => {
  const note = shown.server.checkpoint as string;
  const blank = note.indexOf('\n\n');
  // What is stamped ends with the log's own signature; cosignatures came later.
  const stamped = note.slice(0, note.indexOf('\n', blank + 2) + 1);
  const token = put('token.der', Buffer.from(shown.server.timeStamp as string, 'base64'));
  const verify = (data: string): string =>
    openssl(
      ...['ts', '-verify', '-token_in', '-in', token, '-data', put('note', data)],
      ...['-CAfile', join(folder, '2.pem'), '-untrusted', join(folder, '1.pem')],
    );
  expect(verify(stamped)).toContain('Verification: OK');
  expect(() => verify(note)).toThrow('message imprint mismatch');
});

(hasGo || isRequired ? test : test.skip)(
  'Go opens the checkpoints of a log (skipped without: apt-get install golang-go golang-golang-x-mod-dev)',
  () => {
    const records = shown.configuration.records.map((text: string) => JSON.parse(text));
    const { logs } = records.find(({ id }: Answer) => id === audited.consumer.id);
    const judge = join(import.meta.dirname, '../../../sdk/test/verify/go/judge.go');
    const tasks = [shown.lane.checkpoint, shown.server.checkpoint].flatMap((note: string) => {
      const { key } = logs.find(({ origin }: Answer) => note.startsWith(`${origin}\n`));
      const altered = note.replace(/\n\d+\n/, '\n9\n');
      return [note, altered].map((Note) => ({ Do: 'open', Note, Key: key as string }));
    });
    const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '' };
    const output = execFileSync('go', ['run', judge], {
      env,
      input: JSON.stringify(tasks),
      encoding: 'utf8',
    });
    const verdicts = JSON.parse(output) as { OK: boolean; Text: string }[];
    expect(verdicts.map(({ OK }) => OK)).toEqual([true, false, true, false]);
    expect(verdicts[0]?.Text.split('\n')[0]).toBe(shown.log);
  },
);
