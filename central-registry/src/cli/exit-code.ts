// How the program ends, for scripts; the same in both servers' programs. Said in --help and docs/operations.md#exit-codes.
import { codeOf, OncewayError } from '@onceway/sdk/protocol';
import type { ErrorCode } from '@onceway/sdk/protocol';
import { CommanderError } from 'commander';

export const EXIT = { refused: 1, wrongUsage: 2, unreachable: 3 } as const;

export const EXIT_HELP = `
Exit codes: 0 done, 1 refused or failed, 2 wrong usage (nothing was asked or changed), 3 the server or registry could
not be reached.`;

const UNREACHABLE: readonly ErrorCode[] = ['server_unreachable', 'registry_unreachable'];

/** What was typed, or a file that it names, is not what the command takes. A class, since servers answer the same codes. */
export class WrongUsage extends OncewayError {}

/** Reads what was typed: what is refused of it, is wrong usage. */
export function typed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof OncewayError)) throw cause;
    throw new WrongUsage(cause.code, cause.message, { cause });
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.wrongUsage;
  if (error instanceof WrongUsage) return EXIT.wrongUsage;
  return UNREACHABLE.includes(codeOf(error)) ? EXIT.unreachable : EXIT.refused;
}
