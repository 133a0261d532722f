// A process that appends until it is killed, and says on its standard output what it was promised: one JSON object a line.
// Arguments: folder of the log, seed of its keys, appends in flight.
import { randomBytes } from 'node:crypto';
import { codeOf } from '@onceway/sdk/protocol';
import { openMessageLog } from '../../src/message-log/sqlite-message-log.js';
import { answer, content, material, optionsOf, request } from './fixture.js';

const [folder = '', seed = '', inFlight = '1'] = process.argv.slice(2);
const log = await openMessageLog(folder, optionsOf(seed));
const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const run = randomBytes(6).toString('hex');
let count = 0;

async function one(): Promise<void> {
  const n = (count += 1);
  const asked = request(`${run}-${n}`);
  // Some are too large for the database, and each brings material that was not there before.
  const body = Buffer.alloc(n % 13 === 0 ? 100_000 : 50, n);
  const options = { content: content(`head ${n}`, body), materials: [material(`${run} ${n}`)] };
  const { index } = await log.appendRequest(asked.entry, asked.mid, options);
  say({ mid: asked.mid, dir: 'in', index, bytes: body.length });
  const answered = answer(asked.mid, `${run}-${n}`);
  const place = await log.appendAnswer(answered.entry, answered.mid, asked.mid, {
    ...options,
    materials: [],
  });
  say({ mid: answered.mid, dir: 'out', index: place.index, bytes: body.length });
  if (n % 7 === 0) {
    await log.sealCheckpoint();
    const { lane, server } = log.latestCheckpoints();
    say({ checkpoints: [lane, server].map((c) => ({ origin: c?.origin, size: c?.size, root: c?.root })) });
  }
}

async function forever(): Promise<void> {
  for (;;)
    await one().catch((error: unknown) => {
      say({ error: codeOf(error) });
    });
}

say({ ready: true });
await Promise.all(Array.from({ length: Number(inFlight) }, forever));
