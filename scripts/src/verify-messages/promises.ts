// What messages and checkpoints say of logs, put side by side: two roots for one size of one log are proof of fraud.
import { prove } from './finding.js';
import { EMPTY_ROOT } from './tree.js';

export class Promises {
  readonly #roots = new Map<string, string>();

  /** @param root as octets, or as a message names it (base64url) */
  known(origin: string, size: number, root: Buffer | string): void {
    const text = typeof root === 'string' ? root : root.toString('base64url');
    prove(size !== 0 || text === EMPTY_ROOT, 'promise', 'an empty log with a root of its own');
    const place = `${origin} ${size}`;
    const before = this.#roots.get(place) ?? text;
    prove(before === text, 'promise', `two roots are known of ${origin} at ${size}`);
    this.#roots.set(place, text);
  }
}
