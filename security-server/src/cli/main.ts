// The server administrator's command line. It only reads arguments and prints: `init`, `enrol` and `run` work on a
// folder, everything else asks a running server over its management interface.
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

/** Digests and message ids are base64url: one in 64 begins with a hyphen, and is no option all the same. */
const isDigest = (word: string): boolean => /^-[A-Za-z0-9_-]{42}$/.test(word);
const words = process.argv.slice(2);
const digests = words.filter(isDigest);

/** What a person at a command line does, where the hint is for programs. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  request_invalid: 'See --help of the command.',
  not_found: 'Check what you named.',
  identifier_invalid:
    'A security server is INSTANCE/CLASS/CODE/SERVERCODE, a client INSTANCE/CLASS/CODE/SUBSYSTEM, a service that and /SERVICE.',
  unauthenticated: 'Name the file of a key of this server with --api-key-file.',
  server_unreachable: 'Check that it runs ("onceway-server run --folder …") and listens there.',
  service_unknown: '"service list" says what is offered here.',
};

try {
  await program.parseAsync(
    digests.length === 0 ? words : [...words.filter((word) => !isDigest(word)), '--', ...digests],
    { from: 'user' },
  );
} catch (error) {
  if (error instanceof CommanderError) process.exit(exitCodeOf(error));
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (program.opts<{ json?: boolean }>().json === true)
    console.error(
      JSON.stringify({ error: code, message, rule: error instanceof OncewayError ? error.rule : undefined }),
    );
  else {
    const { title, hint } = PROBLEMS[code];
    const said = message === title ? title : `${title}: ${message}`;
    console.error(code === 'broken' ? said : `${said}\n${HINTS[code] ?? hint.en}`);
  }
  // Not only the code: a `run` that could not listen holds log, jobs and threads, and would stay for ever.
  process.exit(exitCodeOf(error));
}
