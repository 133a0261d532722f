// How a process tells its operator what broke: on standard error, which whoever runs it keeps. Not for what is merely
// refused: that stands in the audit trail.
import { inspect } from 'node:util';

export function tellOperator(error: unknown): void {
  process.stderr.write(`${inspect(error)}\n`);
}
