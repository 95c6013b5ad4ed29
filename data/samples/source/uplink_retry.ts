/**
 * Sends buffered readings to the server and survives its absence.
 *
 * Pauses double from 2 s up to 300 s. Each pause gets a random part of up to 25 percent,
 * because after a power cut a whole fleet comes back at the same moment (FW-812).
 */

export interface Reading {
  channel: string;
  /** Milliseconds since 1970 in UTC. */
  time: number;
  value: number | null;
}

export interface Transport {
  publish(batch: Reading[]): Promise<void>;
}

export class RefusedError extends Error {
  constructor(readonly code: "E-3015" | "E-3016", message: string) {
    super(message);
    this.name = "RefusedError";
  }
}

export interface RetryOptions {
  firstPauseMs: number;
  maxPauseMs: number;
  jitter: number;
  batchSize: number;
}

export const DEFAULTS: RetryOptions = {
  firstPauseMs: 2_000,
  maxPauseMs: 300_000,
  jitter: 0.25,
  batchSize: 200,
};

/** Length of the pause before attempt number `attempt` (counted from 1). */
export function pauseBefore(
  attempt: number,
  options: RetryOptions = DEFAULTS,
  random: () => number = Math.random,
): number {
  if (attempt <= 1) return 0;
  const doubled = options.firstPauseMs * 2 ** (attempt - 2);
  const base = Math.min(doubled, options.maxPauseMs);
  return Math.round(base * (1 + options.jitter * random()));
}

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export class Uplink {
  private queue: Reading[] = [];
  private stopped = false;

  constructor(
    private readonly transport: Transport,
    private readonly options: RetryOptions = DEFAULTS,
    private readonly pause: (ms: number) => Promise<void> = sleep,
  ) {}

  /** Readings are kept in the order of their time stamps, late ones included. */
  add(reading: Reading): void {
    let place = this.queue.length;
    while (place > 0 && this.queue[place - 1].time > reading.time) place -= 1;
    this.queue.splice(place, 0, reading);
  }

  get waiting(): number {
    return this.queue.length;
  }

  stop(): void {
    this.stopped = true;
  }

  /**
   * Sends everything that waits. A batch leaves the queue only after the server has
   * confirmed it, so a reading may arrive twice but is never lost; the server drops
   * duplicates by channel and time.
   *
   * A refusal of the login or the certificate is not retried: waiting does not cure it.
   */
  async drain(): Promise<number> {
    let sent = 0;
    let attempt = 1;
    while (this.queue.length > 0 && !this.stopped) {
      const batch = this.queue.slice(0, this.options.batchSize);
      try {
        await this.pause(pauseBefore(attempt, this.options));
        await this.transport.publish(batch);
        const done = new Set(batch);
        this.queue = this.queue.filter((reading) => !done.has(reading));
        sent += batch.length;
        attempt = 1;
      } catch (problem) {
        if (problem instanceof RefusedError) throw problem;
        attempt += 1;
      }
    }
    return sent;
  }
}
