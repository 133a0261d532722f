// The registry operator's command line. It only reads arguments and prints: `init`, `run` and `witness` work on a
// folder, everything else asks a running registry over its management interface.
import { CommanderError } from 'commander';
import { codeOf, OncewayError, PROBLEMS } from '@onceway/sdk/protocol';
import type { ErrorCode } from '@onceway/sdk/protocol';
import { exitCodeOf } from './exit-code.js';
import { addManagementCommands } from './management-commands.js';
import { addProcessCommands } from './process-commands.js';
import { createProgram } from './program.js';

const program = createProgram();
addProcessCommands(program);
addManagementCommands(program);

/** What a person at a command line does, where the hint is for programs. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  request_invalid: 'See --help of the command.',
  not_found: 'Check what you named.',
  unauthenticated: 'Name the file of a key of this registry with --api-key-file.',
  registry_unreachable: 'Check that it runs ("onceway-registry run --folder …") and listens there.',
};

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(exitCodeOf(error));
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const json = program.opts<{ json?: boolean }>().json === true;
  if (json)
    console.error(
      JSON.stringify({ error: code, message, rule: error instanceof OncewayError ? error.rule : undefined }),
    );
  else {
    const { title, hint } = PROBLEMS[code];
    const said = message === title ? title : `${title}: ${message}`;
    console.error(code === 'broken' ? said : `${said}\n${HINTS[code] ?? hint.en}`);
  }
  process.exitCode = exitCodeOf(error);
}
