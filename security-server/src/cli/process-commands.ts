// Commands that work on a folder of this machine: begin a server, enrol it, run it.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseSecurityServerId } from '@onceway/sdk/protocol';
import type { Command } from 'commander';
import type { Listener } from '../config.js';
import { replaceFile } from '../keys/durable-file.js';
import { print } from './print.js';
import { EXIT, typed, WrongUsage } from './exit-code.js';
import { readText } from './files.js';
import { readPin, withPin } from './program.js';

const ASK_MS = 2_000;
const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** `host:port`, IPv6 in brackets. @throws {WrongUsage} `request_invalid` */
export function parseListener(text: string): Listener {
  const [, host, port] = /^(\[[0-9a-f:]+\]|[^:]+):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535)
    throw new WrongUsage('request_invalid', `"${text}" is not host:port`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

export function addProcessCommands(program: Command): void {
  addAnchor(program);
  addInit(program);
  addEnrol(program);
  addRun(program);
}

function addAnchor(program: Command): void {
  program
    .command('anchor')
    .description("The registry's anchor.json, before it is trusted.")
    .command('digest <file>')
    .description(
      'Its SHA-256, as sha256sum says it of the file that the registry made: compare it with the published one',
    )
    .addHelpText('after', '\nExamples:\n  $ onceway-server anchor digest anchor.json')
    .action(async (file: string, _flags: object, command: Command) => {
      const { anchorDigest, readAnchor } = await import('./init.js');
      const anchor = readAnchor(file);
      print(command, { instance: anchor.instance, sha256: anchorDigest(anchor) });
    });
}

interface InitFlags {
  readonly folder: string;
  readonly id: string;
  readonly anchor: string;
  readonly pinFile?: string;
  readonly registry?: string;
  readonly client: string;
  readonly clientTls?: string;
  readonly dns: readonly string[];
  readonly peer: string;
  readonly management: string;
}

function addInit(program: Command): void {
  withPin(program.command('init'))
    .description('Make the folder of a new server: token, log, state, API keys.')
    .requiredOption('--folder <folder>', 'new or empty')
    .requiredOption('--id <id>', 'INSTANCE/CLASS/CODE/SERVERCODE')
    .requiredOption(
      '--anchor <file>',
      "the registry's anchor.json; compare its digest with the published one",
    )
    .option('--registry <url>', 'distribution interface, where it is another than the anchor names')
    .option('--client <host:port>', 'for information systems', '127.0.0.1:8080')
    .option('--client-tls <host:port>', 'the same over HTTPS, with a certificate that it signs itself')
    .option('--dns <name>', 'name or address in that certificate; repeatable', collect, [])
    .option('--peer <host:port>', 'for other security servers', '0.0.0.0:5500')
    .option('--management <host:port>', 'for administrators', '127.0.0.1:4000')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ONCEWAY_PIN=… onceway-server init --folder ss1 --id VN/GOV/MOH/ss1 --anchor anchor.json' +
        '\n  $ … --client-tls 0.0.0.0:8443 --dns ss1.moh.example',
    )
    .action(async (flags: InitFlags, command: Command) => {
      const { initServer } = await import('./init.js');
      const { settings, keys, anchor } = await initServer({
        folder: flags.folder,
        id: typed(() => parseSecurityServerId(flags.id)),
        anchorFile: flags.anchor,
        pin: readPin(flags.pinFile, process.env),
        ...(flags.registry === undefined ? {} : { registry: flags.registry }),
        dns: flags.dns,
        listeners: {
          client: parseListener(flags.client),
          ...(flags.clientTls === undefined ? {} : { clientTls: parseListener(flags.clientTls) }),
          peer: parseListener(flags.peer),
          management: parseListener(flags.management),
        },
        clock: Date.now,
      });
      print(command, {
        server: settings.id,
        folder: flags.folder,
        keys,
        anchor: `SHA-256 ${anchor}`,
        next: 'onceway-server enrol',
      });
    });
}

interface EnrolFlags {
  readonly folder: string;
  readonly address: string;
  readonly tokenFile: string;
  readonly pinFile?: string;
  readonly dns: readonly string[];
  readonly wait: boolean;
}

function addEnrol(program: Command): void {
  withPin(program.command('enrol'))
    .description(
      'Register the server: keys, certificates, request. Run it again after a failure: it goes on.',
    )
    .requiredOption('--folder <folder>', 'as given to init')
    .requiredOption('--address <url>', 'https://host:port of the peer listener, as peers reach it')
    .requiredOption('--token-file <file>', 'file that holds the enrolment token of the registration officer')
    .option('--dns <name>', 'name or address in the certificate; repeatable', collect, [])
    .option('--no-wait', 'do not wait for the decision')
    .addHelpText(
      'after',
      '\nExamples:\n  $ onceway-server enrol --folder ss1 --address https://ss1.example:5500 --token-file token.txt --pin-file pin.txt',
    )
    .action(async (flags: EnrolFlags, command: Command) => {
      const { enrol } = await import('./enrol.js');
      const status = await enrol({
        ...flags,
        pin: readPin(flags.pinFile, process.env),
        enrolmentToken: readText(flags.tokenFile).trim(),
        pause: () => pause(ASK_MS),
        clock: Date.now,
        report: (step) => console.error(step),
      });
      print(command, status);
      if (status.state === 'declined' || status.state === 'revoked') process.exitCode = EXIT.refused;
    });
}

function addRun(program: Command): void {
  withPin(program.command('run'))
    .description('Run a server that init has made. Prints one line of JSON once it listens.')
    .requiredOption('--folder <folder>', 'as given to init')
    .addHelpText('after', '\nExamples:\n  $ onceway-server run --folder ss1 --pin-file pin.txt')
    .action(async ({ folder, pinFile }: { folder: string; pinFile?: string }) => {
      const pin = readPin(pinFile, process.env);
      readText(join(folder, 'server.json'), 'onceway-server init makes one');
      const { runSecurityServer } = await import('../main.js');
      const running = await runSecurityServer({
        folder,
        pin,
        report: (event) => console.error(JSON.stringify({ at: new Date().toISOString(), ...event })),
      });
      // Where the other commands find it, also on free ports.
      const file = join(folder, 'running.json');
      replaceFile(file, Buffer.from(JSON.stringify({ pid: process.pid, addresses: running.addresses })));
      console.log(JSON.stringify({ ready: true, addresses: running.addresses }));
      const end = (): void => {
        rmSync(file, { force: true });
        void running.close().then(() => process.exit(0));
      };
      process.once('SIGINT', end).once('SIGTERM', end);
    });
}
