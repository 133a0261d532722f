import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LISTENERS } from '../src/config.js';

const BIN = fileURLToPath(new URL('../../bin/onceway-registry.js', import.meta.url));
let folder: string;
let registry: ChildProcess;
let addresses: Record<string, string>;

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(process.execPath, [BIN, ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    ),
  );
}

/** Resolves with the one line that a process prints when it is ready. */
async function ready({ stdout }: ChildProcess): Promise<Record<string, string>> {
  if (stdout === null) throw new TypeError('no output');
  const [line] = (await once(createInterface(stdout), 'line')) as [string];
  return (JSON.parse(line) as { addresses: Record<string, string> }).addresses;
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)));

const as = (role: string): string[] => [
  '--url',
  addresses['management'] ?? '',
  '--api-key-file',
  join(folder, 'registry', 'keys', `api-key-${role}.txt`),
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'onceway-cli-'));
  const ports = LISTENERS.flatMap((name) => ['--listen', `${name}=127.0.0.1:0`]);
  const init = [
    'init',
    '--folder',
    join(folder, 'registry'),
    '--instance',
    'VN',
    '--domain',
    'onceway.example',
  ];
  const { code, stdout, stderr } = await run('--json', ...init, '--own-witness', ...ports);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    instance: 'VN',
    anchor: join(folder, 'registry', 'anchor.json'),
  });
  registry = spawn(process.execPath, [BIN, 'run', '--folder', join(folder, 'registry'), '--trust-services'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  addresses = await ready(registry);
});
afterAll(async () => {
  registry.kill('SIGTERM');
  expect(await ended(registry)).toBe(0);
  rmSync(folder, { recursive: true });
});

describe('the command line', () => {
  test('prints one line when everything answers', async () => {
    expect(Object.keys(addresses).sort()).toEqual([...LISTENERS].sort());
    const health = await fetch(`${addresses['distribution']}/health`);
    expect(await health.json()).toEqual({ status: 'ok', alarms: [] });
    const issuing = await fetch(`${addresses['authority']}/issuing.cer`);
    expect(issuing.headers.get('content-type')).toBe('application/pkix-cert');
  });

  test('admits, lists, suspends and lifts members', async () => {
    const officer = as('registration-officer');
    const added = await run(
      'member',
      'add',
      'GOV',
      'MOH',
      '--name-en',
      'Health',
      '--name-vi',
      'Bộ Y tế',
      ...officer,
    );
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('VN/GOV/MOH') });
    const listed = await run('--json', 'member', 'list', ...officer);
    expect((await run('member', 'list', ...officer)).stdout).toBe(
      'id          name              subsystems\nVN/GOV/MOH  Health / Bộ Y tế  none\n',
    );
    expect((await run('group', 'list', ...officer)).stdout).toBe(
      'no groups; `onceway-registry group put …` makes one\n',
    );
    expect(JSON.parse(listed.stdout)).toEqual([
      { id: 'VN/GOV/MOH', name: { en: 'Health', vi: 'Bộ Y tế' }, subsystems: [] },
    ]);
    const suspended = await run('member', 'suspend', 'VN/GOV/MOH', '--reason', 'test', ...officer);
    expect(suspended.stdout).toMatch(/suspended\s+test/);
    expect((await run('member', 'lift', 'VN/GOV/MOH', ...officer)).code).toBe(0);
    expect((await run('member', 'subsystem', 'VN/GOV/MOH', 'birth', ...officer)).stdout).toMatch(
      'VN/GOV/MOH/birth',
    );
  });

  test('keeps groups, whole', async () => {
    const officer = as('registration-officer');
    const put = (...members: string[]) =>
      run('group', 'put', 'hospitals', '--name-en', 'Hospitals', ...members, ...officer);
    expect((await put('--members', 'VN/GOV/MOH/birth')).code).toBe(0);
    const list = async (): Promise<unknown> =>
      JSON.parse((await run('--json', 'group', 'list', ...as('auditor'))).stdout);
    expect(await list()).toMatchObject([
      { code: 'hospitals', description: { en: 'Hospitals', vi: 'Hospitals' }, members: ['VN/GOV/MOH/birth'] },
    ]);
    const refused = await run('group', 'put', 'hospitals', '--name-en', 'H', ...as('auditor'));
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('registration-officer') });
    expect((await put()).code).toBe(0);
    expect(await list()).toMatchObject([{ members: [] }]);
    expect((await run('group', 'remove', 'hospitals', ...officer)).code).toBe(0);
    expect(await list()).toEqual([]);
    expect((await run('group', 'put', '--help')).stdout).toContain('$ onceway-registry group put hospitals');
  });

  test('says which code refused, with what may be done, and exits with 1, 2 or 3', async () => {
    const refused = await run('audit', ...as('registration-officer'));
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch('roles: auditor, security-officer');
    const json = await run(
      '--json',
      'member',
      'suspend',
      'VN/GOV/NONE',
      '--reason',
      'x',
      ...as('security-officer'),
    );
    expect(JSON.parse(json.stderr)).toMatchObject({ error: 'member_unknown' });
    const nobody = await run('member', 'list', '--url', 'http://127.0.0.1:1', ...as('auditor').slice(2));
    expect(nobody).toMatchObject({
      code: 3,
      stderr:
        'Central registry could not be reached: no registry answers at http://127.0.0.1:1 (ECONNREFUSED)\n' +
        'Check that it runs ("onceway-registry run --folder …") and listens there.\n',
    });
    const other = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const stranger = await run(
      'member',
      'list',
      '--url',
      `http://127.0.0.1:${port}`,
      ...as('auditor').slice(2),
    );
    other.close();
    expect(stranger).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('is no registry: look at --url'),
    });
    expect(await run('member', 'list', '--api-key-file', '/nowhere')).toMatchObject({
      code: 2,
      stderr:
        'There is no such thing here: /nowhere can not be read: there is no such file; ' +
        'name the file of your API key with --api-key-file\nCheck what you named.\n',
    });
    for (const [wrong, said] of [
      [['member', 'list', '--url', 'nowhere', ...as('auditor').slice(2)], '"nowhere" is no URL'],
      [['member', 'list', '--api-key-file', BIN], 'holds no API key'],
      [['member', 'list'], "required option '--api-key-file <file>' not specified"],
      [['audit', '--count', 'many', ...as('auditor')], '"many" is no number'],
      [['policy', 'set', '--file', '/nowhere', ...as('security-officer')], '/nowhere can not be read'],
      [['trust-service', 'put', '--file', BIN, ...as('security-officer')], 'is not JSON'],
      [['witness', 'run', '--folder', folder, '--anchor', '/nowhere'], 'witness init makes one'],
    ] as const)
      expect(await run(...wrong)).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
    const keyFile = join(folder, 'stranger.txt');
    writeFileSync(keyFile, 'owk_stranger');
    const unknown = await run(
      'member',
      'list',
      '--url',
      addresses['management'] ?? '',
      '--api-key-file',
      keyFile,
    );
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('with --api-key-file.') });
  });

  test('makes tokens and keys, shows the configuration, the policy and the trail', async () => {
    const token = await run(
      '--json',
      'token',
      'create',
      'VN/GOV/MOH',
      'VN/GOV/MOH/ss1',
      '--uses',
      '2',
      ...as('registration-officer'),
    );
    expect(JSON.parse(token.stdout)).toMatchObject({ usesLeft: 2, token: expect.stringMatching(/^owe_/) });
    const key = await run('--json', 'key', 'create', 'auditor', '--name', 'SIEM', ...as('security-officer'));
    expect(JSON.parse(key.stdout)).toMatchObject({ role: 'auditor', key: expect.stringMatching(/^owk_/) });
    const shown = await run('--json', 'configuration', 'show', ...as('auditor'));
    expect(JSON.parse(shown.stdout)).toMatchObject({ witnesses: { satisfied: true } });
    expect((await run('policy', 'show', ...as('auditor'))).stdout).toMatch(/clockSkewMs\s+30000/);
    expect((await run('request', 'list', ...as('auditor'))).stdout).toBe('no requests\n');
    expect((await run('key', 'list', ...as('security-officer'))).stdout).toMatch(
      /^id {2,}role {2,}name {2,}createdAt\n[0-9a-f]{16} {2}/,
    );
    expect((await run('policy', 'show', ...as('auditor'))).stdout).toMatch(/\n\nalgorithms\n {2}alg +from\n/);
    expect((await run('configuration', 'show', ...as('auditor'))).stdout).toMatch(
      /^witnesses\.satisfied +true\nwitnesses\.cosigned +onceway\.example\/witness\/registry\+/m,
    );
    expect((await run('configuration', 'show', ...as('auditor'))).stdout).toMatch(
      /^expires +\d{4}-\d\d-\d\dT[\d:]{8}Z$/m,
    );
    const trail = await run('--json', 'audit', '--count', '500', ...as('auditor'));
    expect(JSON.parse(trail.stdout)).toContainEqual(
      expect.objectContaining({ act: 'suspendMember', reason: 'test' }),
    );
  });

  test('changes trust services by their JSON, and enters keys that their holders made', async () => {
    const officer = as('security-officer');
    const listed = await run('--json', 'trust-service', 'list', ...officer);
    const [service] = JSON.parse(listed.stdout) as object[];
    // Certificates in base64 are nothing that people read.
    expect((await run('trust-service', 'list', ...officer)).stdout).toMatch(
      /^v +type +name +certificates +ocsp +url\n1 +certification-authority +VN registry CA +2 +1 +-\n/,
    );
    const file = join(folder, 'service.json');
    writeFileSync(file, JSON.stringify({ ...service, name: 'National CA' }));
    expect((await run('trust-service', 'put', '--file', file, ...officer)).stdout).toMatch(
      /^name +National CA\ncertificates +2\n\nocsp\n {2}url\n {2}http/m,
    );
    const remove = ['trust-service', 'remove', 'certification-authority', 'National CA', ...officer];
    expect((await run(...remove)).code).toBe(0);
    expect((await run(...remove)).code).toBe(1);
    expect((await run('change', 'list', ...officer)).stdout).toBe('no changes\n');
    const keyFile = join(folder, 'key.txt');
    const { hash } = JSON.parse((await run('--json', 'key', 'make', '--file', keyFile)).stdout) as {
      hash: string;
    };
    expect((await run('key', 'make', '--file', keyFile)).stderr).toMatch('exists already');
    expect((await run('key', 'create', 'auditor', '--name', 'made', '--hash', hash, ...officer)).code).toBe(
      0,
    );
    const own = ['--url', addresses['management'] ?? '', '--api-key-file', keyFile];
    expect((await run('member', 'list', ...own)).code).toBe(0);
  });

  test('makes two keys for each role of officers where two must approve', async () => {
    const init = ['init', '--instance', 'VN', '--domain', 'onceway.example', '--no-trust-services'];
    const two = join(folder, 'two');
    expect((await run(...init, '--folder', two, '--officers', '2')).stdout).toMatch(/officers\s+2/);
    expect(
      readdirSync(join(two, 'keys'))
        .filter((name) => name.endsWith('.txt'))
        .sort(),
    ).toEqual([
      'api-key-auditor.txt',
      'api-key-registration-officer-2.txt',
      'api-key-registration-officer.txt',
      'api-key-security-officer-2.txt',
      'api-key-security-officer.txt',
      'api-key-system-administrator.txt',
    ]);
    expect((await run(...init, '--folder', join(folder, 'three'), '--officers', '3')).stderr).toMatch(
      '/officers',
    );
  });

  test('explains every command with an example', async () => {
    for (const command of [
      [],
      ['init'],
      ['run'],
      ['member', 'add'],
      ['request', 'decline'],
      ['witness', 'run'],
      ['trust-service', 'put'],
      ['change', 'approve'],
      ['key', 'make'],
      ['audit'],
    ]) {
      const { code, stdout } = await run(...command, '--help');
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:\n {2}\$ onceway-registry/);
    }
    expect((await run('audit', '--help')).stdout).toMatch(
      '$ onceway-registry audit --api-key-file keys/api-key-auditor.txt',
    );
    expect((await run('certificate', 'revoke', '--help')).stdout).toMatch('(security-officer)');
    expect((await run('frobnicate')).code).toBe(2);
    expect((await run('--help')).stdout).toMatch(/^Exit codes: 0 done, 1 .*, 2 .*, 3 /m);
  });

  test('refuses to begin an instance twice, to run without one, and listeners that are none', async () => {
    const init = ['init', '--instance', 'VN', '--domain', 'onceway.example', '--folder'];
    const twice = await run(...init, join(folder, 'registry'));
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('is not empty') });
    const anew = [...init, join(folder, 'x')];
    for (const [wrong, said] of [
      [['run', '--folder', join(folder, 'nothing')], 'onceway-registry init'],
      [[...anew, '--listen', 'door=127.0.0.1:1'], 'door is none of'],
      [[...anew, '--listen', 'ocsp=nowhere'], 'is not host:port'],
      [[...anew, '--witness', 'nobody'], 'is not <vkey>@<url>'],
      [[...anew, '--officers', '3'], '/officers'],
      [[...anew, '--lifetime', 'long'], '"long" is no number'],
    ] as const)
      expect(await run(...wrong)).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
  });

  test('runs a witness alone', async () => {
    const witness = join(folder, 'witness');
    const made = await run(
      '--json',
      'witness',
      'init',
      '--folder',
      witness,
      '--name',
      'audit.example/witness',
    );
    const { key } = JSON.parse(made.stdout) as { key: string };
    expect(readFileSync(join(witness, 'witness.vkey'), 'utf8')).toBe(`${key}\n`);
    const anchor = join(folder, 'registry', 'anchor.json');
    const child = spawn(
      process.execPath,
      [BIN, 'witness', 'run', '--folder', witness, '--anchor', anchor, '--listen', '127.0.0.1:0'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const { witness: address } = await ready(child);
    expect((await fetch(`${address}/add-checkpoint`, { method: 'POST', body: 'old 0\n' })).status).toBe(400);
    child.kill('SIGTERM');
    expect(await ended(child)).toBe(0);
  });
});
