// The developer's and auditor's command line: arguments in, words out. Everything it does, the library does.
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { createProgram } from './program.js';
import { EXIT } from './terminal.js';

try {
  await createProgram({
    out: (said) => process.stdout.write(said),
    note: (text) => process.stderr.write(text),
    read: (file) => readFileSync(file === '-' ? 0 : file),
    exitCode: (code) => {
      process.exitCode = code;
    },
  }).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // commander's own 1 would say that a service had answered.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT.refused;
}
