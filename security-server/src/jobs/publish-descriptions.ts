// Pushes new service descriptions to the catalogue: at start, after each publication here, and under each new
// configuration (from which on the registry may know the client). One run at a time.
import { publishDescriptions, type CatalogueParts } from '../registration/catalogue.js';

/** The function never rejects: what could not be pushed is told, and tried again at the next occasion. */
export function descriptionPublisher(
  parts: CatalogueParts,
  failed: (service: string, error: unknown) => void,
): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again = false;
  async function run(): Promise<void> {
    do {
      again = false;
      try {
        for (const { service, error } of await publishDescriptions(parts)) failed(service, error);
      } catch (error) {
        failed('all', error);
      }
    } while (isAsked());
    running = undefined;
  }
  const isAsked = (): boolean => again;
  return () => {
    again = running !== undefined;
    running ??= run();
    return running;
  };
}
