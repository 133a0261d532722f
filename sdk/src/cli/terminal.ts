// What commands have of the world, and how what they throw becomes words and an exit code.
import type { Command } from 'commander';
import { ExchangeError } from '../client/index.js';
import { OncewayError } from '../protocol/errors.js';
import { PROBLEMS } from '../protocol/problems.js';

/** The world around the program: a test gives its own. */
export interface Terminal {
  /** Standard output: words, or the octets of a body as they came. */
  readonly out: (said: string | Uint8Array) => void;
  readonly note: (text: string) => void;
  /** The octets of a file, `-` for standard input. */
  readonly read: (file: string) => Buffer;
  readonly exitCode: (code: number) => void;
}

/** 1: the service said no. 2: the exchange refused, or nothing was sent (also: wrongly called). 3: not known whether the service acted. */
export const EXIT = { refusedByService: 1, refused: 2, unknown: 3 } as const;

type Action = (command: Command) => Promise<void>;

/** Runs a command; a coded error becomes words on stderr, with `--json` one object. */
export function acting(terminal: Terminal, command: Command, action: Action): () => Promise<void> {
  return async () => {
    try {
      await action(command);
    } catch (error) {
      const unknown = error instanceof ExchangeError && ['unknown', 'answered'].includes(error.outcome);
      terminal.exitCode(unknown ? EXIT.unknown : EXIT.refused);
      terminal.note(`${describeError(error, command.optsWithGlobals<{ json?: true }>().json === true)}\n`);
    }
  };
}

function describeError(error: unknown, json: boolean): string {
  if (!(error instanceof OncewayError)) {
    const message = error instanceof Error ? error.message : String(error);
    return json ? JSON.stringify({ message }) : message;
  }
  const { code, message, rule } = error;
  const { hop, hint, outcome, messageId, instance } =
    error instanceof ExchangeError
      ? error
      : {
          hop: undefined,
          hint: PROBLEMS[code].hint.en,
          outcome: undefined,
          messageId: undefined,
          instance: undefined,
        };
  if (json) return JSON.stringify({ code, message, hop, rule, hint, outcome, messageId, instance });
  return [
    `${code}${hop === undefined ? '' : ` at the ${hop}`}: ${message}`,
    ...(rule === undefined ? [] : [`rule     ${rule}`]),
    ...(hint === undefined ? [] : [`to mend  ${hint}`]),
    ...(outcome === undefined ? [] : [`outcome  ${outcome}`]),
    ...(messageId === undefined ? [] : [`message  ${messageId}`]),
    ...(instance === undefined ? [] : [`instance ${instance}`]),
  ].join('\n');
}
