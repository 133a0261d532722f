// Puts the commands together; what each does stands in its own file.
import { Command } from 'commander';
import { addCallCommands } from './call.js';
import { addCatalogueCommands } from './catalogue.js';
import type { Terminal } from './terminal.js';

export function createProgram(terminal: Terminal): Command {
  const program = new Command('onceway')
    .description('Calls services over Onceway and finds them.')
    .option('--json', 'print one JSON value')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.note })
    .showHelpAfterError('(--help shows examples)')
    .addHelpText(
      'after',
      `
Exit codes: 0 a 2xx answer, 1 another answer of the service, 2 refused, not sent or wrongly called,
3 outcome unknown. The body goes to stdout as it came, everything else to stderr.

Examples:
  $ onceway catalogue search khai sinh --registry http://127.0.0.1:4100
  $ onceway call VN/GOV/NSO/CODE-LISTS/communes /records/00004 \\
      --server http://127.0.0.1:8080 --client VN/GOV/PSP/LIFE-EVENTS
  $ onceway call VN/GOV/NSO/CODE-LISTS/communes /records/00004 --ca server.pem --cert own.pem --key own.key \\
      --server https://ss1.psp.example:8443 --client VN/GOV/PSP/LIFE-EVENTS`,
    );
  addCallCommands(program, terminal);
  addCatalogueCommands(program, terminal);
  return program;
}
