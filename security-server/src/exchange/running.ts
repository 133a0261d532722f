// Requests of peers that are being served at this moment: who sent one and asks for its outcome is told to wait.
import type { MessageId, SecurityServerId } from '@onceway/schemas';

export class Running {
  readonly #running = new Map<MessageId, { readonly sender: SecurityServerId; count: number }>();

  async during<T>(mid: MessageId, sender: SecurityServerId, work: () => Promise<T>): Promise<T> {
    const entry = this.#running.get(mid) ?? { sender, count: 0 };
    entry.count++;
    this.#running.set(mid, entry);
    try {
      return await work();
    } finally {
      if (--entry.count === 0) this.#running.delete(mid);
    }
  }

  /** Whose request it is, while it is served. */
  senderOf(mid: MessageId): SecurityServerId | undefined {
    return this.#running.get(mid)?.sender;
  }

  get size(): number {
    return this.#running.size;
  }
}
