// Approves one request in a process of its own and kills itself before the nth write to the database: for the crash
// test, which looks at what is left.
import { openRegistry } from '../src/registry.js';

const [folder = '', id = '', nth = '0'] = process.argv.slice(2);
const registry = openRegistry(folder);
let left = Number(nth);
const die = (): void => {
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
};
const prepare = registry.db.prepare.bind(registry.db);
registry.db.prepare = ((source: string) => {
  const statement = prepare(source);
  const run = statement.run.bind(statement);
  statement.run = (...parameters: unknown[]) => {
    die();
    return run(...parameters);
  };
  return statement;
}) as typeof registry.db.prepare;

registry.audit.perform(
  { who: 'test', role: 'registration-officer' },
  { act: 'approveRequest', what: id },
  () => registry.registration.approve(id, 'test'),
);
die(); // after the commit, before anything is published
await registry.publication.changed();
console.log(left);
await registry.close();
