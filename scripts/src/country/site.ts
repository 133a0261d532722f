// Where a country is being brought up: its folder, its ports, the programs that run so far.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../free-port.js';
import { Program } from './program.js';

export const HOST = '127.0.0.1';
/** The logs of the instance are named under it. */
export const DOMAIN = 'vn.onceway.example';

/** Small heaps: an agency of the demo holds little, and a laptop runs a dozen processes. */
export const SMALL = ['--max-semi-space-size=1', '--max-old-space-size=64'];

const root = fileURLToPath(new URL('../../../../', import.meta.url));
export const REGISTRY = join(root, 'central-registry/bin/onceway-registry.js');
export const SERVER = join(root, 'security-server/bin/onceway-server.js');

export interface CountryOptions {
  /** New or empty. */
  readonly folder: string;
  /** First of the ports that are tried; left out or 0, any. */
  readonly portBase?: number;
  /** Told what is being done. */
  readonly progress: (step: string) => void;
  /** Told of each process as it starts. */
  readonly started?: (program: Program) => void;
}

export interface Site {
  readonly options: CountryOptions;
  readonly programs: Program[];
  readonly port: () => Promise<number>;
  readonly path: (...parts: string[]) => string;
}

export function siteOf(options: CountryOptions): Site {
  let next = options.portBase ?? 0;
  return {
    options,
    programs: [],
    port: () => freePort(next === 0 ? 0 : next++),
    path: (...parts) => join(options.folder, ...parts),
  };
}

/** Starts a process that says where it listens; resolves with those addresses.
 *  @throws {ProgramFailure} */
export async function start(site: Site, name: string, args: readonly string[], env?: Record<string, string>) {
  const { program, ready } = await Program.start({
    name,
    args,
    logFile: site.path('logs', `${name}.log`),
    ...(env === undefined ? {} : { env }),
  });
  site.programs.push(program);
  site.options.started?.(program);
  return ready['addresses'] as Readonly<Record<string, string>>;
}
