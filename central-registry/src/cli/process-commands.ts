// Commands that work on a folder of this machine: begin an instance, run it, begin and run a witness.
import { join } from 'node:path';
import type { VerifierKey } from '@onceway/schemas';
import { type Anchor, parseAnchor } from '@onceway/sdk/protocol';
import type { Command } from 'commander';
import type { Officers } from '../access/approvals.js';
import {
  checkSettings,
  DEFAULT_LISTENERS,
  LISTENERS,
  type Listener,
  type ListenerName,
  type Listeners,
} from '../config.js';
import { CONFIGURATION_LIFETIME_S } from '../limits.js';
import { typed, WrongUsage } from './exit-code.js';
import { readJson, readText } from './files.js';
import { readNumber } from './management-command.js';
import { print } from './print.js';

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

function wrong(why: string): WrongUsage {
  return new WrongUsage('request_invalid', why);
}

/** `host:port`, IPv6 in brackets. */
function parseListener(text: string): Listener {
  const [, host, port] = /^(\[[0-9a-f:]+\]|[^:]+):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || Number(port) > 65535) throw wrong(`${text} is not host:port`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** `name=host:port` of each listener that is not where it is by default. */
function parseListeners(texts: readonly string[]): Partial<Record<ListenerName, Listener>> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      const name = text.slice(0, at);
      if (!(LISTENERS as readonly string[]).includes(name))
        throw wrong(`${name} is none of ${LISTENERS.join(', ')}`);
      return [name, parseListener(text.slice(at + 1))];
    }),
  );
}

/** `<vkey>@<url>`; neither a vkey nor base64 holds an at sign. */
function parseWitness(text: string): { key: VerifierKey; url: string } {
  const at = text.indexOf('@');
  if (at < 1) throw wrong(`${text} is not <vkey>@<url>`);
  return { key: text.slice(0, at) as VerifierKey, url: text.slice(at + 1) };
}

function readAnchor(file: string): Anchor {
  const value = readJson(file);
  try {
    return parseAnchor(value);
  } catch (cause) {
    throw new WrongUsage('configuration_invalid', `${file} is no anchor`, { cause });
  }
}

/** Runs until the process is told to end, then closes in order. */
function untilSignal(stop: () => Promise<void>): void {
  const end = (): void => void stop().then(() => process.exit(0));
  process.once('SIGINT', end).once('SIGTERM', end);
}

const urlOf = ({ host, port }: Listener): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

export function addProcessCommands(program: Command): void {
  addInit(program);
  addRun(program);
  addWitness(program);
}

interface InitOptions {
  folder: string;
  instance: string;
  domain: string;
  organization?: string;
  listen: string[];
  distributionUrl: string[];
  witness: string[];
  witnessThreshold?: string;
  ownWitness?: boolean;
  trustServices: boolean;
  officers: string;
  lifetime: string;
}

function addInit(program: Command): void {
  program
    .command('init')
    .description('Begin an instance: root, configuration and log keys, anchor, first API keys.')
    .requiredOption('--folder <folder>', 'empty or new')
    .requiredOption('--instance <code>', 'first part of every identifier')
    .requiredOption('--domain <domain>', 'the logs of the instance are named under it')
    .option('--organization <name>', 'who runs it, in certificates of the pilot authority')
    .option('--listen <name=host:port>', `one of ${LISTENERS.join(', ')}; repeatable`, collect, [])
    .option('--distribution-url <url>', 'where servers fetch configurations; repeatable', collect, [])
    .option('--witness <vkey@url>', 'a witness whose cosignature counts; repeatable', collect, [])
    .option('--witness-threshold <k>', 'how many must cosign; all by default')
    .option('--own-witness', 'make one more witness here')
    .option('--no-trust-services', 'without the authorities for development and pilots')
    .option('--officers <n>', 'who must approve servers and trust services: 1 in development, else 2', '1')
    .option('--lifetime <seconds>', 'life of a configuration', String(CONFIGURATION_LIFETIME_S))
    .addHelpText(
      'after',
      `
Examples:
  $ onceway-registry init --folder registry --instance VN --domain onceway.example --own-witness
  $ onceway-registry init --folder registry --instance VN --domain onceway.example --own-witness \\
      --witness 'audit.example+1a2b3c4d+BAAA…@http://127.0.0.1:4205' --witness-threshold 2 --officers 2`,
    )
    .action(async (options: InitOptions, command: Command) => {
      const { initInstance } = await import('../publication/instance.js');
      const listeners: Listeners = { ...DEFAULT_LISTENERS, ...parseListeners(options.listen) };
      const anchor = await initInstance({
        folder: options.folder,
        settings: typed(() =>
          checkSettings({
            v: 1,
            instance: options.instance,
            domain: options.domain,
            organization: options.organization ?? `${options.instance} registry`,
            officers: readNumber(options.officers) as Officers,
            lifetimeS: readNumber(options.lifetime),
            listeners,
          }),
        ),
        distribution:
          options.distributionUrl.length > 0 ? options.distributionUrl : [urlOf(listeners.distribution)],
        witnesses: options.witness.map(parseWitness),
        ...(options.witnessThreshold === undefined
          ? {}
          : { threshold: readNumber(options.witnessThreshold) }),
        ...(options.ownWitness === true
          ? { ownWitness: { name: `${options.domain}/witness/registry`, url: urlOf(listeners.witness) } }
          : {}),
        trustServices: options.trustServices,
        clock: Date.now,
      });
      print(command, {
        instance: anchor.instance,
        officers: Number(options.officers),
        anchor: join(options.folder, 'anchor.json'),
        keys: join(options.folder, 'keys'),
        log: anchor.log.key,
        witnesses: anchor.witnesses.witnesses.map(({ key }) => key),
      });
    });
}

function addRun(program: Command): void {
  program
    .command('run')
    .description('Run a registry that init has made. Prints one line of JSON once everything answers.')
    .requiredOption('--folder <folder>', 'as given to init')
    .option('--trust-services', 'also run the authorities and the witness that init has made')
    .option(
      '--listen <name=host:port>',
      'in place of what init was told; port 0 takes a free one; repeatable',
      collect,
      [],
    )
    .addHelpText('after', '\nExamples:\n  $ onceway-registry run --folder registry --trust-services')
    .action(async (options: { folder: string; trustServices?: boolean; listen: string[] }) => {
      readText(join(options.folder, 'registry.json'), 'onceway-registry init makes one');
      const { runRegistry } = await import('../main.js');
      const running = await runRegistry({
        folder: options.folder,
        trustServices: options.trustServices === true,
        listeners: parseListeners(options.listen),
      });
      console.log(JSON.stringify({ ready: true, addresses: running.addresses }));
      untilSignal(running.stop);
    });
}

function addWitness(program: Command): void {
  const witness = program
    .command('witness')
    .description('A witness of logs, to be run by somebody who is independent of the registry.');
  witness
    .command('init')
    .description('Make the key of a witness; its vkey goes to the registry, before its own init.')
    .requiredOption('--folder <folder>', 'empty or new')
    .requiredOption('--name <name>', 'schema-less URL of whoever runs it')
    .addHelpText(
      'after',
      '\nExamples:\n  $ onceway-registry witness init --folder witness --name audit.example/witness',
    )
    .action(async (options: { folder: string; name: string }, command: Command) => {
      const { initWitness } = await import('../witness/witness.js');
      print(command, { key: initWitness(options) });
    });
  witness
    .command('run')
    .description('Cosign the logs that the configuration lists, as far as it is proven from the anchor.')
    .requiredOption('--folder <folder>', 'as given to init')
    .requiredOption('--anchor <file>', "the registry's anchor.json")
    .option('--listen <host:port>', 'port 0 takes a free one', '127.0.0.1:4205')
    .addHelpText(
      'after',
      '\nExamples:\n  $ onceway-registry witness run --folder witness --anchor anchor.json --listen 127.0.0.1:4205',
    )
    .action(async (options: { folder: string; anchor: string; listen: string }) => {
      readText(join(options.folder, 'witness.vkey'), 'onceway-registry witness init makes one');
      const { runWitness } = await import('../witness-process.js');
      const running = await runWitness({
        folder: options.folder,
        anchor: readAnchor(options.anchor),
        listener: parseListener(options.listen),
      });
      console.log(JSON.stringify({ ready: true, addresses: { witness: running.address } }));
      untilSignal(running.stop);
    });
}
