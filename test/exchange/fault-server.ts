// A security server in a process of its own that dies, by SIGKILL, at one step of a line. For fault-crash.test.ts.
// Arguments: folder, PIN, step.
import { runSecurityServer } from '@onceway/security-server/main';

const [folder = '', pin = '', step = ''] = process.argv.slice(2);
const running = await runSecurityServer({
  folder,
  pin,
  limits: { outcomeAskIntervalMs: 20, outcomeAskTotalMs: 1_000 },
});
const { log, services } = running.exchange;

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // Nothing more is done while the signal is on its way.
  for (;;);
}

const appendRequest = log.appendRequest.bind(log);
const appendAnswer = log.appendAnswer.bind(log);
const callService = services.call.bind(services);
log.appendRequest = async (...args) => {
  // To a pipe this is written before it returns.
  process.stdout.write(`${JSON.stringify({ mid: args[1] })}\n`);
  if (step === 'before the request is recorded') die();
  const recorded = await appendRequest(...args);
  if (step === 'after the request is recorded') die();
  return recorded;
};
services.call = async (...args) => {
  const answer = await callService(...args);
  if (step === 'after the service was called') die();
  return answer;
};
log.appendAnswer = async (...args) => {
  if (step === 'before the answer is recorded') die();
  const recorded = await appendAnswer(...args);
  if (step === 'after the answer is recorded') die();
  return recorded;
};
const spool = log.spool.bind(log);
log.spool = async () => {
  const writer = await spool();
  if (step !== 'while a body is spooled') return writer;
  const write = writer.write.bind(writer);
  let pieces = 0;
  writer.write = async (chunk) => {
    await write(chunk);
    if (++pieces === 8) die();
  };
  return writer;
};
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
