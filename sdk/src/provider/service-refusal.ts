// A service's own "no", thrown by a handler: it becomes the service's answer, signed like any other.
export class ServiceRefusal extends Error {
  /** 400 to 599. */
  readonly status: number;
  /** One word for programs, in snake_case: what the caller decides on. */
  readonly reason: string;

  /** @throws {TypeError} a status that is no refusal */
  constructor(status: number, reason: string, message: string) {
    super(message);
    if (!Number.isInteger(status) || status < 400 || status > 599)
      throw new TypeError('a refusal has a status from 400 to 599');
    this.name = 'ServiceRefusal';
    this.status = status;
    this.reason = reason;
  }
}
