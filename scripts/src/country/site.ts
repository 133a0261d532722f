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
  /** Rejects as soon as one of them ends by itself. */
  readonly failed: Promise<never>;
  readonly fail: (error: unknown) => void;
  /** Ends all of them; one that is still about to start ends as soon as it has. */
  readonly end: () => Promise<void>;
  isOver: boolean;
  readonly port: () => Promise<number>;
  readonly path: (...parts: string[]) => string;
}

export function siteOf(options: CountryOptions): Site {
  let next = options.portBase ?? 0;
  let fail: Site['fail'] = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  // Whoever waits is told.
  failed.catch(() => undefined);
  const programs: Program[] = [];
  return {
    options,
    programs,
    failed,
    fail,
    isOver: false,
    async end() {
      this.isOver = true;
      await Promise.all(programs.splice(0).map((program) => program.end()));
    },
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
  if (site.isOver) {
    await program.end();
    throw new Error(`${name} is not needed any more`);
  }
  site.programs.push(program);
  program.failed.catch(site.fail);
  site.options.started?.(program);
  return ready['addresses'] as Readonly<Record<string, string>>;
}
